//! Values that go into statements and come out of rows.

use super::StoreError;

/// A parameter or a column. `None` is SQL's NULL of that type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Integer(Option<i64>),
    Real(Option<f64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    /// JSON text: TEXT in SQLite, JSONB in PostgreSQL.
    Json(Option<String>),
}

impl Value {
    /// JSON for a column that holds it.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::Json(Some(value.to_string()))
    }

    #[must_use]
    pub fn is_null(&self) -> bool {
        match self {
            Self::Integer(value) => value.is_none(),
            Self::Real(value) => value.is_none(),
            Self::Text(value) | Self::Json(value) => value.is_none(),
            Self::Bytes(value) => value.is_none(),
        }
    }
}

macro_rules! into_value {
    ($($from:ty => $variant:ident by $with:expr;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(Some($with(value)))
            }
        }
        impl From<Option<$from>> for Value {
            fn from(value: Option<$from>) -> Self {
                Self::$variant(value.map($with))
            }
        }
    )*};
}

into_value! {
    i64 => Integer by |value| value;
    i32 => Integer by i64::from;
    u32 => Integer by i64::from;
    u16 => Integer by i64::from;
    u64 => Integer by |value| value as i64;
    usize => Integer by |value| value as i64;
    bool => Integer by i64::from;
    f64 => Real by |value| value;
    String => Text by |value| value;
    &String => Text by |value: &String| value.clone();
    &str => Text by |value: &str| value.to_owned();
    Vec<u8> => Bytes by |value| value;
    &[u8] => Bytes by |value: &[u8]| value.to_vec();
}

/// A row of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row(pub(super) Vec<Value>);

impl Row {
    /// The column at a place, from 0.
    pub fn get<T: FromValue>(&self, place: usize) -> Result<T, StoreError> {
        let value = self.0.get(place).ok_or_else(|| StoreError::Shape(format!("there is no column {place}")))?;
        T::from_value(value).ok_or_else(|| StoreError::Shape(format!("column {place} is not of the type asked for")))
    }

    /// The JSON of a column.
    pub fn json<T: serde::de::DeserializeOwned>(&self, place: usize) -> Result<T, StoreError> {
        serde_json::from_str(&self.get::<String>(place)?).map_err(|error| StoreError::Shape(format!("column {place}: {error}")))
    }
}

/// A type that a column can be read as.
pub trait FromValue: Sized {
    fn from_value(value: &Value) -> Option<Self>;
}

impl FromValue for i64 {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Integer(value) = value { *value } else { None }
    }
}

impl FromValue for u64 {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|value| value as u64)
    }
}

impl FromValue for u32 {
    fn from_value(value: &Value) -> Option<Self> {
        u32::try_from(i64::from_value(value)?).ok()
    }
}

impl FromValue for u16 {
    fn from_value(value: &Value) -> Option<Self> {
        u16::try_from(i64::from_value(value)?).ok()
    }
}

impl FromValue for bool {
    fn from_value(value: &Value) -> Option<Self> {
        i64::from_value(value).map(|value| value != 0)
    }
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Real(value) => *value,
            Value::Integer(value) => value.map(|value| value as f64),
            _ => None,
        }
    }
}

impl FromValue for String {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Text(value) | Value::Json(value) = value { value.clone() } else { None }
    }
}

impl FromValue for Vec<u8> {
    fn from_value(value: &Value) -> Option<Self> {
        if let Value::Bytes(value) = value { value.clone() } else { None }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        if value.is_null() { Some(None) } else { T::from_value(value).map(Some) }
    }
}
