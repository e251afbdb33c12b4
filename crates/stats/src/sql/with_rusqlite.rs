//! SQLite through rusqlite.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use crate::Series;

impl ToSql for Series {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.to_string()))
    }
}

impl FromSql for Series {
    /// NULL is the empty series. Text and blobs are read alike.
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Null => Ok(Self::new()),
            ValueRef::Blob(bytes) => {
                let text = str::from_utf8(bytes).map_err(FromSqlError::other)?;
                text.parse().map_err(FromSqlError::other)
            }
            other => other.as_str()?.parse().map_err(FromSqlError::other),
        }
    }
}

#[cfg(test)]
mod tests {
    //! The values that SQLite would be handed and hand back; no database is opened.

    use rusqlite::types::{ToSqlOutput, Value};

    use super::*;

    const ONE: &str = r#"[{"timestamp":"2016-08-11T00:04:30.000Z","metrics":{"x":1}}]"#;

    #[test]
    fn a_series_is_stored_as_its_text() {
        for text in ["", ONE] {
            let series: Series = text.parse().unwrap();
            assert_eq!(series.to_sql().unwrap(), ToSqlOutput::Owned(Value::Text(text.to_owned())));
        }
    }

    #[test]
    fn null_text_and_blob_are_read() {
        let one: Series = ONE.parse().unwrap();
        assert_eq!(Series::column_result(ValueRef::Null).unwrap(), Series::new());
        assert_eq!(Series::column_result(ValueRef::Text(b"")).unwrap(), Series::new());
        assert_eq!(Series::column_result(ValueRef::Text(ONE.as_bytes())).unwrap(), one);
        assert_eq!(Series::column_result(ValueRef::Blob(ONE.as_bytes())).unwrap(), one);
    }

    #[test]
    fn what_is_no_series_is_refused() {
        for value in [
            ValueRef::Integer(1),
            ValueRef::Real(0.5),
            ValueRef::Text(b"{}"),
            ValueRef::Blob(b"\xff"),
        ] {
            assert!(Series::column_result(value).is_err(), "{value:?}");
        }
    }
}
