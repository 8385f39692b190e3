//! A table as a Parquet file, and the only door to the `parquet` crate. Rows are gathered into groups that are written one after another, so
//! that memory doesn't grow with the file.

use std::io;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use serde_json::{Map, Value};

use super::columns::{Column, Kind};
use super::shred::{Gathered, Leaf, Values};
use crate::files::Draft;

/// Rows and bytes of memory from which rows make a group: readers share groups among their threads, and each has a head of its own.
const GROUP_ROWS: usize = 128 << 10;
const GROUP_BYTES: usize = 32 << 20;

/// A file that is being written.
pub(super) struct Writer {
    gathered: Gathered,
    file: SerializedFileWriter<Draft>,
}

impl Writer {
    pub(super) fn new(draft: Draft, name: &str, columns: &'static [Column]) -> io::Result<Self> {
        let fields = columns.iter().map(field).collect::<Result<_, _>>().map_err(said)?;
        let schema = Type::group_type_builder(name).with_fields(fields).build().map_err(said)?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(concat!("git-bhfuil version ", env!("CARGO_PKG_VERSION")).to_owned());
        let file = SerializedFileWriter::new(draft, Arc::new(schema), Arc::new(properties.build())).map_err(said)?;
        Ok(Self { gathered: Gathered::of(columns), file })
    }

    pub(super) fn add(&mut self, row: &Map<String, Value>) -> io::Result<()> {
        self.gathered.add(row);
        if self.gathered.rows >= GROUP_ROWS || self.gathered.bytes >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    /// Writes the rest, and returns the file, whole but not yet put in its place.
    pub(super) fn finish(mut self) -> io::Result<Draft> {
        if self.gathered.rows > 0 {
            self.write_group()?;
        }
        self.file.into_inner().map_err(said)
    }

    fn write_group(&mut self) -> io::Result<()> {
        let mut group = self.file.next_row_group().map_err(said)?;
        for leaf in self.gathered.take().leaves {
            let Some(column) = group.next_column().map_err(said)? else { break };
            write_leaf(leaf, column).map_err(said)?;
        }
        group.close().map_err(said)?;
        Ok(())
    }
}

fn write_leaf(leaf: Leaf, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
    let Leaf { values, definitions, repetitions } = leaf;
    let levels = (Some(definitions.as_slice()), Some(repetitions.as_slice()));
    match values {
        Values::Text(values) => {
            let values: Vec<ByteArray> = values.into_iter().map(ByteArray::from).collect();
            column.typed::<ByteArrayType>().write_batch(&values, levels.0, levels.1)?;
        }
        Values::Flag(values) => {
            column.typed::<BoolType>().write_batch(&values, levels.0, levels.1)?;
        }
        Values::Whole(values) => {
            column.typed::<Int64Type>().write_batch(&values, levels.0, levels.1)?;
        }
        Values::Number(values) => {
            column.typed::<DoubleType>().write_batch(&values, levels.0, levels.1)?;
        }
    }
    column.close()
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let fields = |columns: &[Column]| columns.iter().map(field).collect::<Result<Vec<_>, _>>();
    let group = |name, fields| Type::group_type_builder(name).with_repetition(Repetition::OPTIONAL).with_fields(fields);
    let field = match column.kind {
        Kind::Fields(inner) => group(column.name, fields(inner)?).build()?,
        Kind::Texts | Kind::Unknown => list(column.name, plain("element", Kind::Text)?)?,
        Kind::Rows(inner) => list(column.name, Arc::new(group("element", fields(inner)?).build()?))?,
        kind => return plain(column.name, kind),
    };
    Ok(Arc::new(field))
}

/// The three levels that the format wants of a list ("Logical Types", Lists).
fn list(name: &str, element: TypePtr) -> Result<Type, ParquetError> {
    let repeated = Type::group_type_builder("list").with_repetition(Repetition::REPEATED).with_fields(vec![element]);
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(repeated.build()?)])
        .build()
}

fn plain(name: &str, kind: Kind) -> Result<TypePtr, ParquetError> {
    let moment = || LogicalType::timestamp(true, TimeUnit::MICROS);
    let (physical, logical) = match kind {
        Kind::Flag => (Physical::BOOLEAN, None),
        Kind::Count => (Physical::INT64, None),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Moment(_) => (Physical::INT64, Some(moment())),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let builder = Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(builder.with_logical_type(logical).build()?))
}

fn said(cause: ParquetError) -> io::Error {
    match cause {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(inner) => *inner,
            Err(inner) => io::Error::other(inner),
        },
        cause => io::Error::other(cause),
    }
}
