//! Tests that every backend must pass: [`contract_tests!`](crate::contract_tests) makes one `#[test]` of each.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

pub mod authorities;
pub mod bundles;
pub mod entries;
pub mod entry_lists;
pub mod events;
pub mod nodes;
pub mod others;
mod samples;
pub mod several;

use std::any::Any;
use std::sync::Arc;

use jiff::Timestamp;
use steeple_clock::{Clock, ManualClock};
use steeple_types::Revision;

use crate::{Backend, ReadTx, StoreError, Unit, Written};

/// An empty database.
pub struct Opened {
    /// The backend under test.
    pub backend: Arc<dyn Backend>,
    /// Runs a statement on the database as another program does.
    pub sql: Box<dyn Fn(&str)>,
    /// What lives as long as the database is used, such as a folder.
    pub owner: Box<dyn Any>,
}

/// An empty database under test.
pub struct Subject {
    backend: Arc<dyn Backend>,
    sql: Box<dyn Fn(&str)>,
    clock: ManualClock,
    _owner: Box<dyn Any>,
}

impl Subject {
    /// The database that `open` makes. `None` where this machine has no such database.
    pub fn new(open: impl FnOnce(Clock) -> Option<Opened>) -> Option<Self> {
        let (clock, manual) = Clock::manual(Timestamp::from_second(1_700_000_000).unwrap());
        let Opened { backend, sql, owner } = open(clock)?;
        Some(Self { backend, sql, clock: manual, _owner: owner })
    }

    fn write<U: Unit>(&self, unit: &U) -> Result<Written<U::Output>, StoreError> {
        let mut output = None;
        let revision = self.backend.write(&mut |tx| {
            output = Some(unit.run(tx)?);
            Ok(())
        })?;
        Ok(Written { value: output.unwrap(), revision })
    }

    fn done<U: Unit>(&self, unit: &U) -> U::Output {
        self.write(unit).unwrap().value
    }

    fn read<T>(&self, query: impl Fn(&mut dyn ReadTx) -> Result<T, StoreError>) -> T {
        let mut output = None;
        self.backend
            .read(&mut |tx| {
                output = Some(query(tx)?);
                Ok(())
            })
            .unwrap();
        output.unwrap()
    }

    fn changed_keys(&self, after: Revision) -> Vec<String> {
        self.read(|tx| tx.changes_after(after, 100)).into_iter().map(|change| change.key).collect()
    }
}

/// Makes a `#[test]` of each test of the contract. `$open` is a function from a [`Clock`] to an empty database, or to `None` where
/// there is none on this machine.
#[macro_export]
macro_rules! contract_tests {
    ($open:ident) => {
        $crate::contract_tests! { @ $open;
            entries: entry_comes_back_as_it_was_made, similar_entry_is_returned_instead_of_added,
                taken_id_is_a_conflict, unknown_federated_bundle_is_refused,
                update_replaces_masked_fields_and_counts_up, update_keeps_the_time_of_creation,
                ill_formed_entries_are_refused, deleted_entry_is_gone, expired_entries_are_pruned,
                failed_write_leaves_nothing, records_whose_names_differ_in_case_are_not_taken_for_one_another;
            entry_lists: filters_let_through_what_they_say, pages_end_with_an_empty_one,
                unlimited_list_has_no_token, tokens_are_numbers, many_entries_keep_what_hangs_on_them;
            nodes: attestation_uses_up_its_token, expired_token_is_used_up_all_the_same,
                attestation_again_keeps_type_and_version, renewal_counts_from_its_first_use,
                banned_node_stays_banned, deleted_node_takes_its_token_entry_along,
                only_expired_nodes_are_pruned, node_filters_let_through_what_they_say;
            bundles: appending_is_a_union, update_replaces_masked_fields, second_bundle_is_a_conflict,
                restricted_delete_names_the_entries, dissociating_delete_keeps_the_entries,
                deleting_delete_takes_the_entries_along, pruning_never_empties_a_bundle,
                own_and_federated_bundles_are_listed, published_bundles_never_go_backwards;
            authorities: taint_marks_one_authority_once, only_tainted_authorities_are_revoked;
            others: relationships_are_made_changed_and_removed, join_token_makes_an_entry_once,
                journals_keep_their_row, revisions_grow_and_survive_pruning, write_without_change_has_the_last_revision;
            events: events_of_others_are_imported_once, events_that_turn_up_behind_others_are_imported,
                events_between_the_full_read_and_the_first_look_are_imported, removed_records_are_told,
                pruned_events_are_not_missed, states_of_servers_are_told_and_forgotten;
            several: read_sees_one_state_while_others_write, writes_at_the_same_time_lose_nothing,
                followers_see_each_revision_after_all_before_it, stale_read_has_what_it_asks_for,
                failed_write_holds_up_nobody;
        }
    };
    (@ $open:ident; $($module:ident: $($name:ident),* $(,)?;)*) => {
        $(mod $module {
            $(#[test]
            fn $name() {
                if let Some(subject) = $crate::contract::Subject::new(super::$open) {
                    $crate::contract::$module::$name(&subject);
                }
            })*
        })*
    };
}
