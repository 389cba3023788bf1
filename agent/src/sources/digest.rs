//! Digests of files as records write them. It must not take a digest of another kind for SHA-256.

/// Bytes of a SHA-256.
const SHA256_BYTES: usize = 32;

/// The SHA-256 that `digits` write in hexadecimal, in either case; `None` where they write something else.
pub(crate) fn sha256(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.trim().as_bytes();
    if digits.len() != 2 * SHA256_BYTES {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            u8::try_from(high << 4 | low).ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sixty_four_hexadecimal_digits_are_a_sha256() {
        assert_eq!(sha256(&"Ab".repeat(32)), Some(vec![0xab; 32]));
        for other in [
            "",
            "<Null>",
            &"ab".repeat(20),
            &"zz".repeat(32),
            &"é".repeat(32),
        ] {
            assert_eq!(sha256(other), None, "{other}");
        }
    }
}
