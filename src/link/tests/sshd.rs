//! A real sshd on loopback, with its own configuration, host keys and port.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::model::target::{Agent, HostKeyPolicy, SshHop, SshTarget};

/// Stops with the value.
pub(super) struct Sshd {
    folder: TempDir,
    child: Child,
    pub port: u16,
    options: String,
}

/// Keys for all servers and users of this run of the tests, in a folder of their own.
fn keys() -> &'static Path {
    static KEYS: OnceLock<TempDir> = OnceLock::new();
    KEYS.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, kind) in [
            ("host_ed25519", "ed25519"),
            ("host_ecdsa", "ecdsa"),
            ("host_rsa", "rsa"),
            ("user", "ed25519"),
            ("stranger", "ed25519"),
        ] {
            assert!(keygen(&folder.path().join(name), kind, ""), "a key");
        }
        folder
    })
    .path()
}

fn keygen(path: &Path, kind: &str, passphrase: &str) -> bool {
    Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"])
        .arg(path)
        .status()
        .is_ok_and(|status| status.success())
}

pub(super) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    text(&output.stdout).trim().to_owned()
}

pub(super) fn is_root() -> bool {
    user() == "root"
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}

impl Sshd {
    /// Starts one, or says why not.
    pub fn start(options: &str) -> Option<Self> {
        if !Path::new("/usr/sbin/sshd").exists() {
            left_out("no sshd on this machine (install openssh-server)");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        // sshd reads the authorized keys as the user who logs in.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).expect("set");
        for entry in std::fs::read_dir(keys()).expect("listed") {
            let entry = entry.expect("an entry");
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        std::fs::copy(
            folder.path().join("user.pub"),
            folder.path().join("authorized"),
        )
        .expect("copied");
        if is_root() {
            // Its own privilege separation folder; the service's unit makes it otherwise.
            std::fs::create_dir_all("/run/sshd").expect("made");
        }
        let mut sshd = Self {
            child: Command::new("true").spawn().expect("runs"),
            port: free_port(),
            options: options.to_owned(),
            folder,
        };
        let _ = sshd.child.wait();
        sshd.run();
        Some(sshd)
    }

    fn run(&mut self) {
        let path = self.folder.path();
        let configuration = format!(
            "{}\nListenAddress 127.0.0.1\nPort {}\nHostKey {dir}/host_ed25519\n\
             HostKey {dir}/host_ecdsa\nHostKey {dir}/host_rsa\nPidFile none\n\
             AuthorizedKeysFile {dir}/authorized\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin yes\nMaxStartups 100\nUseDNS no\nPrintMotd no\n",
            self.options,
            self.port,
            dir = path.display(),
        );
        std::fs::write(path.join("config"), configuration).expect("written");
        let log = std::fs::File::create(path.join("log")).expect("made");
        self.child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(path.join("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("sshd starts");
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("sshd does not listen: {}", self.log());
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends the processes that serve connections, and their children, not the listener.
    pub fn cut_connections(&self) {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children"))
            .expect("the kernel lists children");
        for child in children.split_ascii_whitespace() {
            let status = Command::new("kill").args(["-KILL", child]).status();
            assert!(status.is_ok_and(|status| status.success()));
        }
    }

    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// A hop to it: the right key, its own known_hosts, new keys accepted.
    pub fn hop(&self) -> SshHop {
        SshHop {
            address: "127.0.0.1".to_owned(),
            port: self.port,
            user: user(),
            keys: vec![self.path("user")],
            agent: Agent::Ignore,
            password: None,
            host_key: HostKeyPolicy::AcceptNew,
            known_hosts: self.path("known_hosts"),
        }
    }

    pub fn fingerprint(&self, kind: &str) -> String {
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.path(&format!("host_{kind}.pub")))
            .output()
            .expect("ssh-keygen runs");
        let words = text(&output.stdout);
        words.split(' ').nth(1).expect("a fingerprint").to_owned()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn target(hop: SshHop, jumps: Vec<SshHop>) -> Target {
    Target::Ssh(SshTarget {
        hop,
        jumps,
        sudo: Sudo::None,
        connect_timeout: Duration::from_secs(10),
        keep_alive: Duration::from_secs(15),
    })
}

pub(super) fn direct(hop: SshHop) -> Target {
    target(hop, Vec::new())
}
