//! Pages of lists. A page's token is the ID of its last row; a list without limit has no token.

use steeple_store::{ErrorClass, Page, Paged, StoreError};

use crate::connection::{Result, Value};
use crate::filters::Conditions;
use crate::tables::Rows;

/// Adds where the page begins to `conditions` and returns the `ORDER BY` and `LIMIT` that end the statement.
pub(crate) fn limit(conditions: &mut Conditions<'_>, page: &Page, id_column: &str) -> Result<String> {
    let order = format!(" ORDER BY {id_column}");
    if page.size == 0 {
        return Ok(order);
    }
    if !page.token.is_empty() {
        let last: u64 = page
            .token
            .parse()
            .map_err(|_| StoreError::new(ErrorClass::Malformed, format!("could not parse token '{}'", page.token)))?;
        let greatest = conditions.dialect().last_row();
        let last = i64::try_from(last).map_or(greatest, |last| last.min(greatest));
        conditions.add(format!("{id_column} > ?"), [Value::Integer(last)]);
    }
    Ok(format!("{order} LIMIT {}", page.size))
}

/// The page of rows with their IDs. Records that are passed over count for its token, and not for its items.
pub(crate) fn paged<T>(rows: Rows<T>, page: &Page) -> Paged<T> {
    let next_token = match rows.last {
        Some(id) if page.size > 0 => id.to_string(),
        _ => String::new(),
    };
    Paged { items: rows.passing_over().into_iter().map(|(_, item)| item).collect(), next_token }
}
