//! `Series` as a column of a database: its text form. SQL's NULL is read as no sample.

#[cfg(feature = "rusqlite")]
mod with_rusqlite;
#[cfg(feature = "sqlx")]
mod with_sqlx;
