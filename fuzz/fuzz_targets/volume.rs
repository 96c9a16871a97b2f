//! What the CSI driver reads of a volume: the table of mounts, and the pod in a target path.
#![no_main]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use steeple_csi::mountinfo::mount_points;
use steeple_csi::target::{is_plain, pod_uid};

fuzz_target!(|bytes: &[u8]| {
    assert!(mount_points(bytes).len() <= bytes.split(|byte| *byte == b'\n').count());
    // A mount point is found again, whatever it is called.
    let escaped = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    let line = [b"1 2 0:3 / ".to_vec(), bytes.iter().flat_map(escaped).collect(), b" rw".to_vec()].concat();
    let target = Path::new(OsStr::from_bytes(bytes));
    assert_eq!(mount_points(&line), [target]);
    if let Some(uid) = pod_uid(target) {
        let uid = uid.as_str();
        assert!(uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "{uid}");
        assert!(target.components().any(|part| part.as_os_str() == uid));
    }
    if is_plain(target) {
        assert!(target.is_absolute() && !target.components().any(|part| part.as_os_str() == ".."));
    }
});
