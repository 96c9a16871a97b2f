//! What a TokenReview says of a token's bearer.

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewStatus, UserInfo};

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// Who bears a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bearer {
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) pod_name: String,
    pub(super) pod_uid: String,
}

/// The status of a review, when the API server looked at one of the `audiences`.
///
/// Without audiences the API server's own counts, which it does not repeat. A status that names none of those asked for
/// comes from an API server that does not know audiences: a token made for it would pass for one made for us.
///
/// # Errors
/// A text when the review failed or no audience was looked at.
pub(super) fn status(review: TokenReview, audiences: &[String]) -> Result<TokenReviewStatus, String> {
    let status = review.status.unwrap_or_default();
    if let Some(error) = status.error.as_deref().filter(|error| !error.is_empty()) {
        return Err(format!("token review API response contains an error: {error}"));
    }
    let seen = status.audiences.as_deref().unwrap_or_default();
    let authenticated = status.authenticated.unwrap_or_default();
    if authenticated && !audiences.is_empty() && !audiences.iter().any(|audience| seen.contains(audience)) {
        let (wanted, got) = (quoted(audiences), quoted(seen));
        return Err(format!("token review API did not validate audience: wanted one of {wanted} but got {got}"));
    }
    Ok(status)
}

/// A list as Go quotes it.
fn quoted(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| format!("{text:?}")).collect::<Vec<_>>().join(" "))
}

/// Namespace and service account of a user `system:serviceaccount:<namespace>:<name>`.
///
/// # Errors
/// A text when the user has another name.
pub(super) fn service_account(user: &UserInfo) -> Result<(String, String), String> {
    let username = user.username.as_deref().unwrap_or_default();
    if username.is_empty() {
        return Err("empty username".to_owned());
    }
    match username.split(':').collect::<Vec<_>>().as_slice() {
        [_, _, "", _] => Err("missing namespace".to_owned()),
        [_, _, _, ""] => Err("missing service account name".to_owned()),
        ["system", "serviceaccount", namespace, name] => Ok(((*namespace).to_owned(), (*name).to_owned())),
        _ => Err(format!("unexpected username format: {username}")),
    }
}

/// The one pod name that a user's token is bound to.
///
/// # Errors
/// A text when there is none or more than one.
pub(super) fn pod_name(user: &UserInfo) -> Result<String, String> {
    only(user, POD_NAME, "pod name", "name")
}

/// The one pod UID that a user's token is bound to.
///
/// # Errors
/// A text when there is none or more than one.
pub(super) fn pod_uid(user: &UserInfo) -> Result<String, String> {
    only(user, POD_UID, "pod UID", "UID")
}

fn only(user: &UserInfo, key: &str, what: &str, short: &str) -> Result<String, String> {
    let values = user.extra.as_ref().and_then(|extra| extra.get(key)).ok_or_else(|| format!("missing {what}"))?;
    match values.as_slice() {
        [one] if one.is_empty() => Err(format!("{what} is empty")),
        [one] => Ok(one.clone()),
        values => Err(format!("expected 1 {short} but got: {}", values.len())),
    }
}
