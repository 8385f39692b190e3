-- DuckDB calls it by another name than Spark.
CREATE OR REPLACE TEMPORARY MACRO explode(list) AS unnest(list);
CREATE OR REPLACE TEMPORARY VIEW commits AS SELECT * FROM read_parquet({commits});
CREATE OR REPLACE TEMPORARY VIEW refs AS SELECT * FROM read_parquet({refs});
CREATE OR REPLACE TEMPORARY VIEW matches AS SELECT * FROM read_parquet({matches});
CREATE OR REPLACE TEMPORARY VIEW presence AS SELECT * FROM read_parquet({presence});
