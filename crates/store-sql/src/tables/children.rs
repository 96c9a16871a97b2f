//! Rows that hang on others: which ones, and in how many statements.

use crate::connection::Value;

/// Most owners of one statement.
const CHUNK: usize = 500;

/// A condition that picks the children of the owners `ids`, which are in order.
pub(super) struct Chunk<'a> {
    pub(super) ids: &'a [i64],
    pub(super) condition: String,
    pub(super) values: Vec<Value<'static>>,
}

impl Chunk<'_> {
    /// Place of the owner `id` within `ids`; `None` for a child whose owner was not asked for.
    pub(super) fn place(&self, id: i64) -> Option<usize> {
        self.ids.binary_search(&id).ok()
    }
}

/// Splits ordered `ids` into chunks. Owners that lie close together are picked by their range, which is faster by far when all
/// are loaded; it also yields some that were not asked for.
pub(super) fn chunks<'a>(ids: &'a [i64], column: &'a str) -> impl Iterator<Item = Chunk<'a>> {
    ids.chunks(CHUNK).map(move |ids| {
        let (condition, values) = match ids {
            [only] => (format!("{column} = ?"), vec![Value::Integer(*only)]),
            [first, .., last] if is_dense(*first, *last, ids.len()) => {
                (format!("{column} BETWEEN ? AND ?"), vec![Value::Integer(*first), Value::Integer(*last)])
            }
            _ => {
                let places = vec!["?"; ids.len()].join(", ");
                (format!("{column} IN ({places})"), ids.iter().copied().map(Value::Integer).collect())
            }
        };
        Chunk { ids, condition, values }
    })
}

fn is_dense(first: i64, last: i64, count: usize) -> bool {
    last.checked_sub(first).is_some_and(|span| usize::try_from(span).is_ok_and(|span| span < count * 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conditions(ids: &[i64]) -> Vec<String> {
        chunks(ids, "o").map(|chunk| chunk.condition).collect()
    }

    #[test]
    fn neighbours_are_picked_by_range_and_others_one_by_one() {
        assert_eq!(conditions(&[7]), ["o = ?"]);
        assert_eq!(conditions(&[1, 2, 4]), ["o BETWEEN ? AND ?"]);
        assert_eq!(conditions(&[1, 900]), ["o IN (?, ?)"]);
        assert!(conditions(&[]).is_empty());
        assert_eq!(conditions(&(0..1001).collect::<Vec<_>>()).len(), 3);
    }

    #[test]
    fn children_of_others_are_told_apart() {
        let ids = [1, 2, 4];
        let chunk = chunks(&ids, "o").next().unwrap();
        assert_eq!([1, 3, 4].map(|id| chunk.place(id)), [Some(0), None, Some(2)]);
    }
}
