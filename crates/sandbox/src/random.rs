//! A small pseudo-random generator (`SplitMix64`) whose numbers never change with a
//! library's version: the same seed gives the same world and the same faults.

/// The state of one sequence of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A sequence of its own for one event of many: the luck of call 7 does not
    /// depend on how calls 1 to 6 were served.
    pub(crate) fn for_event(seed: u64, event: u64) -> Self {
        let mut outer = Self(seed ^ event.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Self(outer.next_u64())
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        let high = u32::try_from(self.next_u64() >> 32).unwrap_or(0);
        high.checked_rem(bound).unwrap_or(0)
    }

    /// A number in `[0, 1)`.
    #[expect(
        clippy::float_arithmetic,
        reason = "luck and latency are not money: a float is what a distribution needs"
    )]
    pub(crate) fn unit_interval(&mut self) -> f64 {
        let high = u32::try_from(self.next_u64() >> 32).unwrap_or(0);
        f64::from(high) / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_sequence_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next_u64()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut random = Random::new(9);
        for _ in 0..1000 {
            assert!(random.below(7) < 7);
            let unit = random.unit_interval();
            assert!((0.0..1.0).contains(&unit), "{unit}");
        }
        assert_eq!(random.below(0), 0);
    }
}
