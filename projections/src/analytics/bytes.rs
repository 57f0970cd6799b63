//! Numbers as cells store them: LEB128, seven bits a byte, the lowest first.

/// A stored cell that no writer of ours can have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cell is damaged")]
pub struct Damaged;

const PAYLOAD_BITS: u32 = 7;
const MORE: u8 = 0x80;

pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= u64::from(MORE) {
        out.push(number as u8 | MORE);
        number >>= PAYLOAD_BITS;
    }
    out.push(number as u8);
}

/// A count at rest; below nothing there is none.
pub fn put_count(out: &mut Vec<u8>, count: i64) {
    put(out, count.max(0) as u64);
}

/// Takes bytes from the front.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0;
        for place in 0..u64::BITS.div_ceil(PAYLOAD_BITS) {
            let (&byte, rest) = self.0.split_first().ok_or(Damaged)?;
            self.0 = rest;
            number |= u64::from(byte & !MORE) << (place * PAYLOAD_BITS);
            if byte & MORE == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    pub fn count(&mut self) -> Result<i64, Damaged> {
        self.number().map(|number| number as i64)
    }

    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], Damaged> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Damaged)?;
        self.0 = rest;
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn numbers_are_read_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut out = Vec::new();
        numbers.iter().for_each(|number| put(&mut out, *number));
        let mut reader = Reader(&out);
        assert_eq!(numbers.map(|_| reader.number().unwrap()), numbers);
        assert!(reader.is_empty());
        assert_eq!(reader.number(), Err(Damaged));
        assert_eq!(Reader(&[0xff; 11]).number(), Err(Damaged));
    }
}
