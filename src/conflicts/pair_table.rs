//! A number for every pair of branches, in little memory.
//!
//! Nearly all pairs of a run have the same merge base, so a row keeps one value, the few columns
//! that differ from it, and, while it is rewritten from the left, the place of the change. A row
//! with many different values becomes a plain list.

/// So many columns on the left become exceptions when another value follows them.
const SHORT_STEP: usize = 8;

/// A number for every pair of different branches, 0 at first.
#[derive(Debug)]
pub(super) struct PairTable {
    /// The row of a branch has a column for every branch before it.
    rows: Vec<Row>,
}

impl PairTable {
    /// Makes a table of so many branches.
    pub(super) fn new(branches: usize) -> PairTable {
        PairTable {
            rows: (0..branches).map(Row::new).collect(),
        }
    }

    /// Returns the value of two different branches.
    pub(super) fn get(&self, a: usize, b: usize) -> u32 {
        self.rows[a.max(b)].get(a.min(b))
    }

    /// Sets the value of two different branches.
    pub(super) fn set(&mut self, a: usize, b: usize, value: u32) {
        self.rows[a.max(b)].set(a.min(b), value);
    }

    /// Yields every pair `(a, b)` with `a < b` and its value, by `b`, then by `a`.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, usize, u32)> + '_ {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(b, row)| {
            row.values()
                .enumerate()
                .map(move |(a, value)| (a, b, value))
        })
    }
}

/// The values of one branch with every branch before it.
#[derive(Debug)]
enum Row {
    Sparse(SparseRow),
    Full(Box<[u32]>),
}

#[derive(Debug)]
struct SparseRow {
    columns: usize,
    /// Columns before this one have the value `left`, the others `right`.
    step: usize,
    left: u32,
    right: u32,
    /// The columns that have other values, ascending.
    exceptions: Vec<(u32, u32)>,
}

impl Row {
    fn new(columns: usize) -> Row {
        Row::Sparse(SparseRow {
            columns,
            step: 0,
            left: 0,
            right: 0,
            exceptions: Vec::new(),
        })
    }

    fn get(&self, column: usize) -> u32 {
        match self {
            Row::Sparse(row) => row.get(column),
            Row::Full(values) => values[column],
        }
    }

    fn set(&mut self, column: usize, value: u32) {
        match self {
            Row::Full(values) => values[column] = value,
            Row::Sparse(row) => {
                row.set(column, value);
                // An exception is as large as two values of a full row.
                if row.exceptions.len() > row.columns / 8 + 4 {
                    *self = Row::Full(self.values().collect());
                }
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = u32> + '_ {
        let (sparse, full) = match self {
            Row::Sparse(row) => (Some(row.values()), None),
            Row::Full(values) => (None, Some(values.iter().copied())),
        };
        sparse
            .into_iter()
            .flatten()
            .chain(full.into_iter().flatten())
    }
}

impl SparseRow {
    fn plain(&self, column: usize) -> u32 {
        if column < self.step {
            self.left
        } else {
            self.right
        }
    }

    fn find(&self, column: usize) -> Result<usize, usize> {
        let place = |(at, _): &(u32, u32)| (*at as usize).cmp(&column);
        self.exceptions.binary_search_by(place)
    }

    fn get(&self, column: usize) -> u32 {
        match self.find(column) {
            Ok(place) => self.exceptions[place].1,
            Err(_) => self.plain(column),
        }
    }

    fn set(&mut self, column: usize, value: u32) {
        match self.find(column) {
            Ok(place) => self.exceptions[place].1 = value,
            Err(_) if self.plain(column) == value => {}
            Err(_) if self.moves_step(column, value) => {
                if self.left != value {
                    self.turn_left_into_exceptions();
                }
                (self.step, self.left) = (column + 1, value);
                if self.are_exceptions(self.step, self.columns) {
                    (self.step, self.right) = (0, value);
                }
            }
            Err(place) => self.exceptions.insert(place, (column as u32, value)),
        }
    }

    /// Returns `true` if the column is the next one to get the value on the left.
    fn moves_step(&self, column: usize, value: u32) -> bool {
        let continues = self.left == value || self.step <= SHORT_STEP;
        column >= self.step && continues && self.are_exceptions(self.step, column)
    }

    fn turn_left_into_exceptions(&mut self) {
        for column in 0..self.step {
            if let Err(place) = self.find(column) {
                self.exceptions.insert(place, (column as u32, self.left));
            }
        }
    }

    /// Returns `true` if every column from `from` to before `to` is an exception.
    fn are_exceptions(&self, from: usize, to: usize) -> bool {
        let (Ok(start) | Err(start)) = self.find(from);
        let (Ok(end) | Err(end)) = self.find(to);
        end - start == to - from
    }

    fn values(&self) -> impl Iterator<Item = u32> + '_ {
        let mut exceptions = self.exceptions.iter().peekable();
        (0..self.columns).map(move |column| {
            let exception = exceptions.next_if(|(at, _)| *at as usize == column);
            exception.map_or_else(|| self.plain(column), |(_, value)| *value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets values in a table and in a plain list of lists, and compares the two after each.
    fn compare(
        branches: usize,
        changes: impl IntoIterator<Item = (usize, usize, u32)>,
    ) -> PairTable {
        let mut table = PairTable::new(branches);
        let mut plain: Vec<Vec<u32>> = (0..branches).map(|columns| vec![0; columns]).collect();
        for (nth, (a, b, value)) in changes.into_iter().enumerate() {
            table.set(a, b, value);
            plain[a.max(b)][a.min(b)] = value;
            assert_eq!(table.get(b, a), value, "after change {nth}");
            if nth % 97 == 0 {
                compare_all(&table, &plain);
            }
        }
        compare_all(&table, &plain);
        table
    }

    fn compare_all(table: &PairTable, plain: &[Vec<u32>]) {
        let mut expected = Vec::new();
        for (b, row) in plain.iter().enumerate() {
            for (a, value) in row.iter().enumerate() {
                assert_eq!(table.get(a, b), *value, "{a} and {b}");
                expected.push((a, b, *value));
            }
        }
        assert_eq!(table.iter().collect::<Vec<_>>(), expected);
    }

    fn ascending(branches: usize, value: u32) -> impl Iterator<Item = (usize, usize, u32)> {
        (0..branches).flat_map(move |a| (a + 1..branches).map(move |b| (a, b, value)))
    }

    fn exceptions(table: &PairTable) -> usize {
        let rows = table.rows.iter();
        rows.map(|row| match row {
            Row::Sparse(row) => row.exceptions.len(),
            Row::Full(values) => values.len(),
        })
        .sum()
    }

    #[test]
    fn one_value_for_all_pairs_needs_no_exception() {
        let table = compare(40, ascending(40, 1));
        assert_eq!(exceptions(&table), 0);
        let twice = compare(40, ascending(40, 1).chain(ascending(40, 2)));
        assert_eq!(exceptions(&twice), 0);
    }

    #[test]
    fn values_set_before_the_common_one_stay_exceptions() {
        let few = [(3, 7, 5), (3, 9, 5), (0, 30, 6), (29, 30, 7), (7, 9, 5)];
        let rest =
            ascending(40, 1).filter(move |(a, b, _)| !few.iter().any(|f| (f.0, f.1) == (*a, *b)));
        let table = compare(40, few.into_iter().chain(rest));
        assert_eq!(exceptions(&table), 5);
    }

    #[test]
    fn a_chain_of_branches_fills_its_rows() {
        let chain = (0..40)
            .rev()
            .flat_map(|a| (a + 1..40).map(move |b| (a, b, a as u32 + 1)));
        compare(40, chain);
    }

    #[test]
    fn any_order_of_changes_gives_the_values_set_last() {
        for seed in 0..60 {
            let mut random = fastrand::Rng::with_seed(seed);
            let values = random.u32(1..5);
            let change = move || {
                let b = random.usize(1..24);
                (random.usize(0..b), b, random.u32(0..values))
            };
            let changes: Vec<_> = std::iter::repeat_with(change).take(400).collect();
            compare(24, changes);
        }
    }
}
