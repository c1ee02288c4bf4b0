//! The codec against itself, against known bytes and against any bytes at all.

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn encoded(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    encode(value, &mut out);
    out
}

fn plain() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<u8>().prop_map(Value::Ubyte),
        any::<u16>().prop_map(Value::Ushort),
        any::<u32>().prop_map(Value::Uint),
        any::<u64>().prop_map(Value::Ulong),
        any::<i8>().prop_map(Value::Byte),
        any::<i16>().prop_map(Value::Short),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Long),
        (-9i32..9).prop_map(|number| Value::Float(number as f32 / 4.0)),
        (-9i32..9).prop_map(|number| Value::Double(f64::from(number) / 4.0)),
        any::<[u8; 16]>().prop_map(|bytes| Value::Decimal(bytes.into())),
        any::<[u8; 4]>().prop_map(|bytes| Value::Decimal(bytes.into())),
        any::<char>().prop_map(Value::Char),
        any::<i64>().prop_map(Value::Timestamp),
        any::<u128>().prop_map(|id| Value::Uuid(Uuid::from_u128(id))),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(|b| Value::Binary(Bytes::from(b))),
        ".{0,80}".prop_map(Value::string),
        "[ -~]{0,300}".prop_map(Value::symbol),
    ]
    .boxed()
}

fn value() -> impl Strategy<Value = Value> {
    plain().prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::List),
            prop::collection::vec((inner.clone(), inner.clone()), 0..5).prop_map(Value::Map),
            (inner.clone(), 0..5usize).prop_map(|(one, count)| Value::Array(vec![one; count])),
            (plain(), inner).prop_map(|parts| Value::Described(Box::new(parts))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_value_comes_back(value in value()) {
        let bytes = encoded(&value);
        prop_assert_eq!(decode(&bytes), Ok((value, bytes.len())));
        let mut reader = Reader::new(bytes.into());
        prop_assert_eq!(reader.skip(), Ok(()));
        prop_assert_eq!(reader.remaining(), 0);
    }

    #[test]
    fn a_value_that_is_cut_is_none(value in value(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_borne(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
        let _ = Reader::new(bytes.into()).skip();
    }
}

#[test]
fn arrays_are_written_as_the_standard_has_them() {
    let longs = Value::Array(vec![Value::Long(1), Value::Long(-1)]);
    let mut expected = vec![0xe0, 18, 2, 0x81];
    expected.extend(1i64.to_be_bytes());
    expected.extend((-1i64).to_be_bytes());
    assert_eq!(encoded(&longs), expected);
}

#[test]
fn depth_and_number_are_limited() {
    // Lists of one list of one list …
    let mut deep = vec![0x40];
    for _ in 0..60 {
        let length = u8::try_from(deep.len() + 1).unwrap();
        let mut outer = vec![0xc0, length, 1];
        outer.extend(&deep);
        deep = outer;
    }
    assert_eq!(decode(&deep), Err(DecodeError::TooLarge));
    // Descriptions of descriptions, in every place where one can stand.
    let described = vec![0; 100_000];
    assert_eq!(decode(&described), Err(DecodeError::TooLarge));
    assert!(Reader::new(described.clone().into()).skip().is_err());
    let mut array = vec![0xf0, 0, 1, 0x86, 0xa4, 0, 0, 0, 1];
    array.extend(&described);
    assert_eq!(decode(&array), Err(DecodeError::TooLarge));
    // Four billion elements that take no bytes.
    for code in [0x40, 0x41, 0x43, 0x44, 0x45] {
        let many = [0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, code];
        assert_eq!(decode(&many), Err(DecodeError::TooLarge));
    }
    // Arrays of arrays of nothing.
    let inner = [0xf0, 0, 0, 0, 5, 0, 0, 0xff, 0, 0x40];
    let mut many = vec![0xd0];
    let body: Vec<u8> = inner.iter().copied().cycle().take(inner.len() * 20).collect();
    many.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    many.extend(20u32.to_be_bytes());
    many.extend(body);
    assert_eq!(decode(&many), Err(DecodeError::TooLarge));
}

#[test]
fn what_is_invalid_says_why() {
    for (bytes, error) in [
        (&[][..], DecodeError::Truncated),
        (&[0x01], DecodeError::UnknownCode(1)),
        (&[0x57, 0], DecodeError::UnknownCode(0x57)),
        (&[0x56, 2], DecodeError::Invalid("boolean")),
        (&[0x73, 0, 0, 0xd8, 0], DecodeError::Invalid("character")),
        (&[0xa1, 1, 0xff], DecodeError::Invalid("string")),
        (&[0xa3, 2, 0xc3, 0xa9], DecodeError::Invalid("symbol")),
        (&[0xc1, 2, 1, 0x40], DecodeError::Invalid("map")),
        (&[0xc0, 3, 1, 0x40, 0x40], DecodeError::Invalid("size of a list, map or array")),
        (&[0xc0, 2, 9, 0x40], DecodeError::Truncated),
        (&[0xb0, 0xff, 0xff, 0xff, 0xff], DecodeError::Truncated),
    ] {
        assert_eq!(decode(bytes), Err(error), "{bytes:?}");
    }
}
