//! Chains beside each other: one for each writer, where several relays share a ledger. A number names an entry among those of all chains; in its own
//! chain an entry has the number that is hashed.

/// A chain, by its place among those of a ledger. A file has one, the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Chain(pub(crate) i64);

/// Entries that a chain has room for: a thousand a second, for thirty years.
const BITS: u32 = 40;
const SEQS: i64 = (1 << BITS) - 1;

impl Chain {
    pub(crate) const FIRST: Self = Self(0);

    /// The first and the last number of its entries. What somebody has put in before all of them belongs to the first one.
    pub(crate) fn range(self) -> (i64, i64) {
        let first = self.0 << BITS;
        (if self == Self::FIRST { i64::MIN } else { first }, first | SEQS)
    }

    /// The number among all entries of one of its own.
    pub(crate) fn number(self, seq: u64) -> i64 {
        (self.0 << BITS) | (seq.cast_signed() & SEQS)
    }

    /// The chain of a number.
    pub(crate) fn of(number: i64) -> Self {
        Self(number.max(0) >> BITS)
    }

    /// The number in its own chain.
    pub(crate) fn seq(number: i64) -> u64 {
        if number < 0 { number.cast_unsigned() } else { (number & SEQS).cast_unsigned() }
    }
}

/// What a transaction may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The writer's own chain alone: others write theirs meanwhile.
    Own,
    /// The same, if the writer was heard of all the time: what he has in hand may be another one's by now.
    Heard,
    /// Any chain, and what belongs to all.
    All,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_one_entry_of_one_chain() {
        for (chain, seq) in [(0, 1), (0, 7), (1, 1), (3, 1 << 39), (8_000_000, 5)] {
            let chain = Chain(chain);
            let number = chain.number(seq);
            assert_eq!((Chain::of(number), Chain::seq(number)), (chain, seq));
            let (first, last) = chain.range();
            assert!(first < number && number < last);
            assert!(Chain(chain.0 + 1).range().0 == last + 1);
        }
        // A ledger with one chain counts as it always has.
        assert_eq!(Chain::FIRST.number(42), 42);
    }
}
