//! The block `access`: what is accepted gives nobody more than it says.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use steeple_config::{Block, parse};
use steeple_policy::access::{Action, Asked, Policy, Resource, Role, Subject, Who};
use steeple_server::config::access_of;
use steeple_types::TrustDomain;

static OWN: LazyLock<TrustDomain> = LazyLock::new(|| TrustDomain::from_name("example.org").expect("a name"));

fuzz_target!(|text: &str| {
    let Ok(file) = parse(text) else { return };
    let Ok(Some(access)) = access_of(&Block::of(&file), &OWN) else { return };
    let policy = Policy::new(access.bindings.clone());
    assert_eq!(policy.check(), Ok(()));
    for binding in &access.bindings {
        assert!(!binding.subjects.is_empty() && binding.role.is_bindable(), "{binding:?}");
        assert!(binding.scope.covers(&binding.scope), "{binding:?}");
        let emergency = binding.role == Role::BreakGlass;
        assert!(!emergency || (!binding.reason.is_empty() && binding.not_after.is_some()), "{binding:?}");
        assert!(binding.grants.is_none() || binding.role == Role::PolicyAdmin, "{binding:?}");
        for subject in &binding.subjects {
            assert!(!subject.is(&Who::default()), "{subject:?} is anybody");
            if let Subject::Oidc { issuer, .. } = subject {
                assert!(access.issuers.iter().any(|known| known.name == *issuer), "{issuer} is not configured");
            }
        }
    }
    for action in Action::ALL {
        for resource in Resource::ALL {
            let nobody = policy.granted(&Who::default(), Asked { action, resource }, jiff::Timestamp::UNIX_EPOCH);
            assert!(nobody.is_err(), "nobody in particular may {action} {resource}");
        }
    }
});
