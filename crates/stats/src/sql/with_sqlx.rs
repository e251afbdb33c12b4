//! Any database that sqlx knows and that stores text.

use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::{Database, Decode, Encode, Type, ValueRef};

use crate::Series;

impl<DB: Database> Type<DB> for Series
where
    String: Type<DB>,
{
    fn type_info() -> DB::TypeInfo {
        String::type_info()
    }

    fn compatible(info: &DB::TypeInfo) -> bool {
        String::compatible(info)
    }
}

impl<'q, DB: Database> Encode<'q, DB> for Series
where
    String: Encode<'q, DB>,
{
    fn encode_by_ref(&self, buffer: &mut DB::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.to_string().encode(buffer)
    }
}

impl<'r, DB: Database> Decode<'r, DB> for Series
where
    String: Decode<'r, DB>,
{
    /// NULL is the empty series.
    fn decode(value: DB::ValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            return Ok(Self::new());
        }
        Ok(String::decode(value)?.parse()?)
    }
}

#[cfg(all(test, feature = "_database-tests"))]
mod tests {
    //! With the values of sqlx's driver-less database type; no database is opened.

    use sqlx::any::{AnyArguments, AnyValue};
    use sqlx::{Any, Arguments, Value};

    use super::*;

    const ONE: &str = r#"[{"timestamp":"2016-08-11T00:04:30.000Z","metrics":{"x":1}}]"#;

    fn stored<'q, T: Encode<'q, Any> + Type<Any>>(value: T) -> AnyValue {
        let mut arguments = AnyArguments::default();
        arguments.add(value).unwrap();
        AnyValue { kind: arguments.values.0.remove(0) }
    }

    #[test]
    fn a_series_is_stored_as_its_text() {
        for text in ["", ONE] {
            let column = stored(text.parse::<Series>().unwrap());
            assert_eq!(<String as Decode<'_, Any>>::decode(column.as_ref()).unwrap(), text);
        }
    }

    #[test]
    fn null_and_text_are_read() {
        let read = |column: AnyValue| <Series as Decode<'_, Any>>::decode(column.as_ref()).unwrap();
        assert_eq!(read(stored(None::<String>)), Series::new());
        assert_eq!(read(stored(String::new())), Series::new());
        assert_eq!(read(stored(ONE.to_owned())), ONE.parse().unwrap());
    }

    #[test]
    fn what_is_no_series_is_refused() {
        for column in [stored(1_i64), stored("{}".to_owned())] {
            assert!(<Series as Decode<'_, Any>>::decode(column.as_ref()).is_err(), "{column:?}");
        }
    }

    #[test]
    fn a_column_of_text_fits_and_one_of_numbers_does_not() {
        assert!(<Series as Type<Any>>::compatible(&<String as Type<Any>>::type_info()));
        assert!(!<Series as Type<Any>>::compatible(&<i64 as Type<Any>>::type_info()));
        assert_eq!(<Series as Type<Any>>::type_info(), <String as Type<Any>>::type_info());
    }
}
