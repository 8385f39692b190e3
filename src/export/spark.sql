CREATE OR REPLACE TEMPORARY VIEW commits USING parquet OPTIONS (path {commits});
CREATE OR REPLACE TEMPORARY VIEW refs USING parquet OPTIONS (path {refs});
CREATE OR REPLACE TEMPORARY VIEW matches USING parquet OPTIONS (path {matches});
CREATE OR REPLACE TEMPORARY VIEW presence USING parquet OPTIONS (path {presence});
