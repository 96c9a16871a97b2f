//! Who holds a port or a socket that is taken, as far as `/proc` tells.

use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::bail;

/// The process that holds it.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    pid: u32,
    program: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {})", self.program, self.pid)
    }
}

fn named(holder: Option<Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |holder| holder.to_string())
}

/// Refuses a port of this machine that is taken.
pub(super) fn check_port(port: u16) -> anyhow::Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let holder = ["/proc/net/tcp", "/proc/net/tcp6"]
                .iter()
                .filter_map(|table| std::fs::read_to_string(table).ok())
                .find_map(|table| process_of(inode_of_port(&table, port)?));
            bail!("port {port} is taken by {}: choose another with --port N", named(holder))
        }
        Err(error) => bail!("unable to listen on port {port}: {error}; choose another with --port N"),
        Ok(_) => Ok(()),
    }
}

/// Refuses a socket on which somebody listens.
pub(super) fn check_socket(path: &Path) -> anyhow::Result<()> {
    if UnixStream::connect(path).is_err() {
        return Ok(());
    }
    let table = std::fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let holder = inode_of_socket(&table, path).and_then(process_of);
    let (path, holder) = (path.display(), named(holder));
    bail!("socket {path} is taken by {holder}: stop it, or choose another folder with --state-dir DIR")
}

/// The inode of the socket that listens on `port`, of the table `/proc/net/tcp`.
fn inode_of_port(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local, 16) == Ok(port);
        listens.then(|| fields.get(9)?.parse().ok())?
    })
}

/// The inode of the socket that listens at `path`, of the table `/proc/net/unix`.
fn inode_of_socket(table: &str, path: &Path) -> Option<u64> {
    let path = path.to_str()?;
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.strip_suffix(path)?.split_whitespace().collect();
        let flags = u32::from_str_radix(fields.get(3)?, 16).ok()?;
        let listens = fields.len() == 7 && flags & 0x1_0000 != 0;
        listens.then(|| fields.get(6)?.parse().ok())?
    })
}

/// The process that has the socket open.
fn process_of(inode: u64) -> Option<Holder> {
    let socket = format!("socket:[{inode}]");
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let mut files = std::fs::read_dir(process.path().join("fd")).ok()?.flatten();
        let has =
            |file: &std::fs::DirEntry| std::fs::read_link(file.path()).is_ok_and(|link| link == Path::new(&socket));
        files.any(|file| has(&file)).then(|| {
            let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            Holder { pid, program: name.trim().to_owned() }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel_tell_who_listens() {
        let tcp = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
                   0: 0100007F:1F91 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 11 1\n\
                   1: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12 1\n";
        assert_eq!((inode_of_port(tcp, 8081), inode_of_port(tcp, 8082)), (Some(12), None));
        let unix = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03 21 /run/a b.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 22 /run/a b.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01    23\n";
        assert_eq!(inode_of_socket(unix, Path::new("/run/a b.sock")), Some(22));
        assert_eq!(inode_of_socket(unix, Path::new("/run/c")), None);
    }

    #[test]
    fn what_is_taken_is_told_with_its_holder_and_the_way_out() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let said = check_port(port).unwrap_err().to_string();
        let me = std::process::id();
        assert!(
            said.starts_with(&format!("port {port} is taken by ")) && said.contains(&format!("(pid {me})")),
            "{said}"
        );
        assert!(said.ends_with("choose another with --port N"), "{said}");
        drop(listener);
        check_port(port).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("api.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let said = check_socket(&path).unwrap_err().to_string();
        assert!(said.contains(&format!("(pid {me})")) && said.ends_with("--state-dir DIR"), "{said}");
        drop(listener);
        check_socket(&path).unwrap();
    }
}
