//! What a test folder needs to know: where it is, which tools it runs, which features it has.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};

/// First argument by which a test binary is asked to act as one of its own tools; the second names the tool.
const AS_TOOL: &str = "--as-tool";

/// A test folder and the tools that its RUN lines call.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the tests, searched recursively; relative to the package, where cargo starts tests.
    pub root: PathBuf,
    /// Where `%t` points: each test has a folder of its own below, emptied before it runs.
    pub output: PathBuf,
    /// Folder of `FileCheck`, `not` and `split-file`; in front of `PATH` for RUN lines.
    pub llvm_bin: PathBuf,
    /// Words in RUN lines that stand for a program.
    pub tools: Vec<(String, Tool)>,
    /// More substitutions: `("%{model}", "path/to/model")`.
    pub substitutions: Vec<(String, String)>,
    /// What `REQUIRES:`, `UNSUPPORTED:` and `XFAIL:` may name.
    pub features: BTreeSet<String>,
    /// Extensions of test files, without the dot.
    pub suffixes: Vec<String>,
    /// Names of files and folders that hold no tests.
    pub excludes: Vec<String>,
    /// Rewrite expectations instead of failing.
    pub bless: bool,
}

/// What a word in a RUN line runs.
#[derive(Debug, Clone)]
pub enum Tool {
    /// A program that exists when the tests run.
    Program(PathBuf),
    /// This test binary itself, calling the function with the tool's arguments, its name first. Always built from
    /// the sources under test, and links MLIR once less than a binary of its own would.
    Function(fn(Vec<String>) -> ExitCode),
}

impl From<PathBuf> for Tool {
    fn from(path: PathBuf) -> Self {
        Self::Program(path)
    }
}

impl From<&Path> for Tool {
    fn from(path: &Path) -> Self {
        Self::Program(path.to_path_buf())
    }
}

impl From<&str> for Tool {
    fn from(path: &str) -> Self {
        Self::Program(path.into())
    }
}

impl Config {
    /// The tests under `root`, with `.mlir` and `.test` files as tests, `Inputs` folders left out, LLVM's programs
    /// from `MLIR_SYS_220_PREFIX` or `/usr/lib/llvm-22`, and the operating system (`system-linux`) and architecture
    /// (`x86_64`) as features.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let llvm = std::env::var_os("MLIR_SYS_220_PREFIX").unwrap_or_else(|| "/usr/lib/llvm-22".into());
        Self {
            root: root.into(),
            output: output_of_this_binary(),
            llvm_bin: PathBuf::from(llvm).join("bin"),
            tools: Vec::new(),
            substitutions: Vec::new(),
            features: [format!("system-{}", std::env::consts::OS), std::env::consts::ARCH.to_owned()].into(),
            suffixes: vec!["mlir".to_owned(), "test".to_owned()],
            excludes: vec!["Inputs".to_owned()],
            bless: false,
        }
    }

    /// Lets RUN lines call `name`.
    pub fn tool(mut self, name: impl Into<String>, tool: impl Into<Tool>) -> Self {
        self.tools.push((name.into(), tool.into()));
        self
    }

    /// Lets RUN lines call `name`, which runs `function` in a process of its own; see [`Tool::Function`].
    pub fn tool_fn(mut self, name: impl Into<String>, function: fn(Vec<String>) -> ExitCode) -> Self {
        self.tools.push((name.into(), Tool::Function(function)));
        self
    }

    /// Replaces `key`, which starts with `%`, in RUN lines.
    pub fn substitution(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.substitutions.push((key.into(), value.into()));
        self
    }

    /// Makes `name` true in `REQUIRES:`, `UNSUPPORTED:` and `XFAIL:`.
    pub fn feature(mut self, name: impl Into<String>) -> Self {
        self.features.insert(name.into());
        self
    }

    /// Runs the tool that the command line asks for, if it asks for one.
    pub(crate) fn run_requested_tool(&self) -> Option<ExitCode> {
        let mut arguments = std::env::args().skip(1);
        if arguments.next()? != AS_TOOL {
            return None;
        }
        let arguments: Vec<String> = arguments.collect();
        let function = self.tools.iter().find_map(|(name, tool)| match tool {
            Tool::Function(function) if Some(name) == arguments.first() => Some(function),
            _ => None,
        });
        Some(match function {
            Some(function) => function(arguments),
            None => {
                eprintln!("error: {AS_TOOL} needs the name of a tool of this test binary");
                ExitCode::FAILURE
            }
        })
    }

    /// What replaces each tool's name in a command line.
    pub(crate) fn tool_commands(&self) -> anyhow::Result<Vec<(&str, String)>> {
        let commands = self.tools.iter().map(|(name, tool)| {
            let command = match tool {
                Tool::Program(path) => quoted(&std::path::absolute(path)?),
                Tool::Function(_) => {
                    let binary = std::env::current_exe().context("cannot find the running test binary")?;
                    format!("{} {AS_TOOL} {name}", quoted(&binary))
                }
            };
            Ok((name.as_str(), command))
        });
        commands.collect()
    }

    /// Fails with what to do if a program that RUN lines rely on is missing.
    pub(crate) fn require_programs(&self) -> anyhow::Result<()> {
        ensure!(
            self.llvm_bin.join("FileCheck").is_file(),
            "no FileCheck in {}: install Debian's llvm-22-tools, or set MLIR_SYS_220_PREFIX to where LLVM 22 is",
            self.llvm_bin.display()
        );
        for (name, tool) in &self.tools {
            if let Tool::Program(path) = tool {
                ensure!(path.is_file(), "the tool `{name}` is not at {}: build it first", path.display());
            }
        }
        Ok(())
    }

    /// Every test file, sorted.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<PathBuf>> {
        ensure!(
            self.root.is_dir(),
            "no test folder at {} (seen from {})",
            self.root.display(),
            std::env::current_dir()?.display()
        );
        let mut files = Vec::new();
        self.collect(&self.root, &mut files)?;
        if files.is_empty() {
            bail!("no .{} files under {}", self.suffixes.join(" or ."), self.root.display());
        }
        files.sort();
        Ok(files)
    }

    fn collect(&self, folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || self.excludes.iter().any(|excluded| *excluded == name) {
                continue;
            }
            if path.is_dir() {
                self.collect(&path, files)?;
            } else if path.extension().is_some_and(|found| self.suffixes.iter().any(|s| found == s.as_str())) {
                files.push(path);
            }
        }
        Ok(())
    }
}

/// A path as one word of a shell command.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+=@,:".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// `target/PROFILE/lit/TEST_TARGET`, from where cargo put the running binary (`target/PROFILE/deps/TEST_TARGET-HASH`).
fn output_of_this_binary() -> PathBuf {
    let binary = std::env::current_exe().unwrap_or_default();
    let stem = binary.file_stem().unwrap_or_default().to_string_lossy();
    let target = stem.rsplit_once('-').map_or(&*stem, |(target, _hash)| target);
    let profile = binary.parent().and_then(Path::parent).map_or_else(std::env::temp_dir, Path::to_path_buf);
    profile.join("lit").join(target)
}
