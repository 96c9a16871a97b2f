//! The matrix of RPCs and roles, compared with `tests/golden/access-matrix.txt` and with `docs/reference/access.md`.

use std::fmt::Write as _;

use steeple_policy::access::{Action, Role};

use super::{Row, TABLE};

/// Each RPC with the roles that may call it, in the order of the table.
fn matrix() -> String {
    let mut text = String::new();
    for row in TABLE {
        let roles: Vec<&str> = Role::ALL.into_iter().filter(|role| may(*role, row)).map(Role::name).collect();
        let _never_fails = writeln!(text, "{} | {} | {}", row.method, row.asked, roles.join(" "));
    }
    text
}

/// What agents, downstream servers and strangers do for themselves is theirs by the row; all else is a matter of bindings.
fn may(role: Role, row: &Row) -> bool {
    let asked = row.asked;
    match role {
        Role::Agent => row.callers.agent || row.callers.any,
        Role::Downstream => row.callers.downstream || row.callers.any,
        _ if asked.action == Action::Act => row.callers.any,
        _ => role.may(asked.action, asked.resource),
    }
}

#[test]
fn roles_may_call_what_the_golden_matrix_says() {
    let golden = include_str!("../../../../../tests/golden/access-matrix.txt");
    let matrix = matrix();
    for (new, old) in matrix.lines().zip(golden.lines()) {
        assert_eq!(new, old, "tests/golden/access-matrix.txt is to be changed only together with what roles may do");
    }
    assert_eq!(matrix, golden, "all of it:\n{matrix}");
}

#[test]
fn page_lists_each_role_as_it_is() {
    let page = include_str!("../../../../../docs/reference/access.md");
    for role in Role::ALL {
        let row = format!("| `{}` | {} |", role.name(), role.summary());
        assert!(page.contains(&row), "docs/reference/access.md lacks {row}");
    }
}
