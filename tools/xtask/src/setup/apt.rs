//! Installs Debian packages: says which and why, as root or through sudo, or says what someone else must run.

use anyhow::{Context as _, bail};

use crate::process;

/// A Debian package and what the project does with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
}

/// Installs those of `wanted` that are missing.
pub(crate) fn install(wanted: &[Package]) -> anyhow::Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let missing = missing(wanted)?;
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("setup: missing Debian packages (all of LLVM and MLIR together take 1.3 GB):");
    for package in &missing {
        eprintln!("  {:16} {}", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let rights = rights(&names)?;
    if !are_known(&names) {
        apt_get(&rights, &["update"])?;
    }
    if !are_known(&names) {
        bail!(
            "apt does not know all of: {}\nDebian 12 has them in `bookworm` and `bookworm-security`: enable both in \
             /etc/apt/sources.list (deb http://deb.debian.org/debian-security bookworm-security main), or set \
             MLIR_SYS_220_PREFIX to an LLVM 22 with MLIR",
            names.join(" ")
        );
    }
    let install = [&["install", "-y", "--no-install-recommends"], names.as_slice()].concat();
    // Package lists older than the mirror name files that are gone: refresh them, then once more.
    if apt_get(&rights, &install).is_err() {
        eprintln!("setup: the installation failed; once more with fresh package lists");
        apt_get(&rights, &["update"])?;
        apt_get(&rights, &install).context("the packages could not be installed; what apt-get says above is why")?;
    }
    Ok(())
}

/// Which packages dpkg does not list as installed.
fn missing(wanted: &[Package]) -> anyhow::Result<Vec<Package>> {
    if process::which("dpkg-query").is_none() {
        bail!(
            "this is no Debian: install LLVM and MLIR 22 with their development files, a C++ compiler, libzstd and \
             zlib, then set MLIR_SYS_220_PREFIX, TABLEGEN_220_PREFIX and LIBCLANG_PATH"
        );
    }
    // dpkg-query fails when it does not know a package at all, and prints the others all the same.
    let mut query = std::process::Command::new("dpkg-query");
    query.args(["-W", "-f", "${Package} ${db:Status-Status}\\n"]).args(wanted.iter().map(|package| package.name));
    let listed = query.output().context("cannot start dpkg-query")?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    Ok(not_installed(&listed, wanted))
}

fn not_installed(listed: &str, wanted: &[Package]) -> Vec<Package> {
    let is_installed = |package: &Package| listed.lines().any(|line| line == format!("{} installed", package.name));
    wanted.iter().filter(|package| !is_installed(package)).copied().collect()
}

/// Whether apt could install each of `names`.
fn are_known(names: &[&str]) -> bool {
    names.iter().all(|name| {
        let policy = process::answer("apt-cache", &["policy", name]).unwrap_or_default();
        policy.lines().any(|line| line.trim().strip_prefix("Candidate: ").is_some_and(|version| version != "(none)"))
    })
}

/// How apt-get may change the system.
#[derive(Debug, PartialEq)]
enum Rights {
    Root,
    Sudo,
}

fn rights(names: &[&str]) -> anyhow::Result<Rights> {
    let is_root = process::answer("id", &["-u"]).is_some_and(|id| id.trim() == "0");
    if is_root {
        return Ok(Rights::Root);
    }
    // Without a terminal nobody can type a password.
    let can_sudo = process::which("sudo").is_some()
        && (!process::is_unattended() || process::answer("sudo", &["-n", "true"]).is_some());
    if can_sudo {
        return Ok(Rights::Sudo);
    }
    bail!("{}", request(names))
}

/// What to ask of whoever administers the machine.
fn request(names: &[&str]) -> String {
    format!(
        "installing packages needs root, and sudo is missing or asks for a password that nobody can type. Run this \
         as root, then try again:\n\n  apt-get update && apt-get install -y --no-install-recommends {}\n",
        names.join(" ")
    )
}

fn apt_get(rights: &Rights, arguments: &[&str]) -> anyhow::Result<()> {
    // dpkg draws a progress bar of its own only on a terminal; apt's own lines go with `-q`.
    let quiet: &[&str] = if process::is_unattended() { &["-q"] } else { &[] };
    match rights {
        Rights::Root => {
            let arguments = [quiet, arguments].concat();
            process::run_with("apt-get", &arguments, &[("DEBIAN_FRONTEND", "noninteractive")])
        }
        // sudo drops the environment unless the variable is set behind it.
        Rights::Sudo => {
            let arguments = [&["DEBIAN_FRONTEND=noninteractive", "apt-get"], quiet, arguments].concat();
            process::run("sudo", &arguments)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Package, not_installed, request};

    #[test]
    fn only_what_dpkg_calls_installed_is_installed() {
        let package = |name| Package { name, why: "" };
        let listed = "make installed\nclang-22 config-files\nzlib1g-dev-extra installed\n";
        let missing = not_installed(listed, &["make", "clang-22", "zlib1g-dev"].map(package));
        assert_eq!(missing.iter().map(|package| package.name).collect::<Vec<_>>(), ["clang-22", "zlib1g-dev"]);
    }

    #[test]
    fn the_request_is_a_command_to_paste() {
        assert!(request(&["make", "g++"]).contains("apt-get install -y --no-install-recommends make g++\n"));
    }
}
