//! Set-up on machines of every kind, played by a `PATH` of small scripts that log what they are asked to do.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

const PACKAGES: &str = "libmlir-22-dev llvm-22-dev mlir-22-tools llvm-22-tools clang-22 libclang-22-dev \
                        libpolly-22-dev libzstd-dev zlib1g-dev";

/// A machine whose programs are all ours.
struct Machine {
    folder: TempDir,
}

impl Machine {
    /// Root on a Debian with a compiler, where `installed` packages are there and apt knows the others.
    fn debian(installed: &str) -> Self {
        let machine = Self { folder: TempDir::new().expect("a temporary folder") };
        for program in ["c++", "make", "pkg-config", "bash", "cargo"] {
            machine.program(program, "exit 0");
        }
        let listed: Vec<String> = installed.split_whitespace().map(|name| format!("echo {name} installed")).collect();
        machine.program("dpkg-query", &format!("{}\nexit 1", listed.join("\n")));
        machine.program("id", "echo 0");
        machine.program("apt-cache", "echo '  Candidate: 1.0'");
        machine.program("apt-get", "echo apt-get $DEBIAN_FRONTEND \"$@\" >> LOG");
        machine
    }

    /// Adds or replaces a program; `HERE` in its script is this machine's folder, `LOG` its log.
    fn program(&self, name: &str, script: &str) {
        let here = self.folder.path().display().to_string();
        let script = script.replace("LOG", "HERE/log").replace("HERE", &here);
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the script is written");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("the script becomes executable");
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.folder.path().join(name)).expect("the program is there");
    }

    /// Sets up for a job that needs MLIR; returns success, what was said, and what was run.
    fn set_up(&self) -> (bool, String, String) {
        let folder = self.folder.path();
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .arg("bench")
            .env_clear()
            .env("PATH", folder)
            .env("CARGO_HOME", folder)
            .env("CARGO", folder.join("cargo"))
            .stdin(Stdio::null())
            .output()
            .expect("xtask starts");
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned(), log)
    }
}

#[test]
fn a_ready_machine_is_left_alone() {
    let (ok, said, ran) = Machine::debian(PACKAGES).set_up();
    assert!(ok, "{said}");
    assert_eq!(ran, "");
    assert!(!said.contains("setup:"), "{said}");
}

#[test]
fn root_installs_what_is_missing_and_says_why() {
    let machine = Machine::debian(&PACKAGES.replace("clang-22 ", ""));
    machine.remove("make");
    let (ok, said, ran) = machine.set_up();
    assert!(ok, "{said}");
    assert_eq!(ran, "apt-get noninteractive -q install -y --no-install-recommends make clang-22\n");
    assert!(said.contains("  clang-22         compiles the shim against LLVM's headers\n"), "{said}");
}

#[test]
fn package_lists_are_fetched_where_apt_knows_nothing() {
    let machine = Machine::debian("");
    machine.program("apt-cache", "test -e HERE/updated && echo '  Candidate: 1.0'");
    machine.program("apt-get", "echo apt-get \"$@\" >> LOG\ntest \"$2\" != update || : > HERE/updated");
    let (ok, said, ran) = machine.set_up();
    assert!(ok, "{said}");
    assert_eq!(ran, format!("apt-get -q update\napt-get -q install -y --no-install-recommends {PACKAGES}\n"));
}

#[test]
fn stale_package_lists_are_fetched_again() {
    let machine = Machine::debian("");
    let install = "echo apt-get \"$2\" >> LOG\ntest \"$2\" = update && : > HERE/updated\ntest -e HERE/updated";
    machine.program("apt-get", install);
    let (ok, said, ran) = machine.set_up();
    assert!(ok, "{said}");
    assert_eq!(ran, "apt-get install\napt-get update\napt-get install\n");
}

#[test]
fn unknown_packages_say_which_sources_have_them() {
    let machine = Machine::debian("");
    machine.program("apt-cache", "echo '  Candidate: (none)'");
    let (ok, said, ran) = machine.set_up();
    assert!(!ok);
    assert_eq!(ran, "apt-get noninteractive -q update\n");
    assert!(said.contains("apt does not know all of: libmlir-22-dev") && said.contains("bookworm-security"), "{said}");
}

#[test]
fn others_install_through_sudo() {
    let machine = Machine::debian(&PACKAGES.replace("clang-22 ", ""));
    machine.program("id", "echo 1000");
    machine.program("sudo", "test \"$1\" = -n || echo sudo \"$@\" >> LOG");
    let (ok, said, ran) = machine.set_up();
    assert!(ok, "{said}");
    let install = "-q install -y --no-install-recommends clang-22";
    assert_eq!(ran, format!("sudo DEBIAN_FRONTEND=noninteractive apt-get {install}\n"));
}

#[test]
fn who_may_not_install_is_told_what_to_ask_for() {
    let machine = Machine::debian(&PACKAGES.replace("clang-22 ", ""));
    machine.program("id", "echo 1000");
    let asks_password = "exit 1";
    for sudo in [None, Some(asks_password)] {
        if let Some(script) = sudo {
            machine.program("sudo", script);
        }
        let (ok, said, ran) = machine.set_up();
        assert!(!ok);
        assert_eq!(ran, "");
        let request = "\n  apt-get update && apt-get install -y --no-install-recommends clang-22\n";
        assert!(said.contains("error: installing packages needs root") && said.contains(request), "{said}");
    }
}

#[test]
fn other_systems_are_told_what_to_provide() {
    let machine = Machine::debian(PACKAGES);
    machine.remove("dpkg-query");
    let (ok, said, _) = machine.set_up();
    assert!(!ok);
    assert!(said.contains("error: this is no Debian") && said.contains("MLIR_SYS_220_PREFIX"), "{said}");
}
