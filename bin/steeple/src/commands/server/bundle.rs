//! `bundle`: the server's bundle and those of foreign trust domains.

mod count;
mod delete;
pub(crate) mod document;
mod list;
mod set;
mod show;

pub(crate) use count::Count;
pub(crate) use delete::Delete;
pub(crate) use list::List;
pub(crate) use set::Set;
pub(crate) use show::Show;
