//! CRC-32 as in IEEE 802.3, which PayPal signs in place of the body.

/// A running checksum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc32 {
    pub(crate) fn update(&mut self, piece: &[u8]) {
        for byte in piece {
            let place = (self.0 ^ u32::from(*byte)) & 0xff;
            let remainder = TABLE.get(place as usize).copied().unwrap_or_default();
            self.0 = (self.0 >> 8) ^ remainder;
        }
    }

    pub(crate) const fn finish(self) -> u32 {
        !self.0
    }
}

/// The remainder for each byte.
#[allow(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, which checks it"
)]
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut remainder = byte;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ (0xedb8_8320 * (remainder & 1));
            bit += 1;
        }
        table[byte as usize] = remainder;
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_is_the_published_one() {
        let mut crc = Crc32::default();
        crc.update(b"1234");
        crc.update(b"56789");
        assert_eq!(crc.finish(), 0xcbf4_3926);
        assert_eq!(Crc32::default().finish(), 0);
    }
}
