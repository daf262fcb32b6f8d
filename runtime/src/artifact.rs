//! The compiled artifact, `.thb`: written by the compiler, mapped by the runtime.
//!
//! Layout, little endian: a 32-byte header (magic, version, number of sections, file length, crc of
//! header and table), a table of sections (kind, crc, offset, length), then the sections, each at
//! a multiple of 64 bytes: target, program, code, constants, the program that sets up the parameters of the other,
//! which is empty where there is none, code that an assembler has made of the code, which may be empty too, and the
//! functions that steps of these programs run. Opening checks magic, version, lengths, every crc, the target and the
//! whole program, so that what an [`Artifact`] holds can be used without further checks. Nothing is
//! copied: code and constants stay in the mapped file.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cpu::features;
use crate::program::{Parameter, Program, ProgramError, check_depth, weights};

const MAGIC: [u8; 8] = *b"\x7fTHB\r\n\x1a\n";
const HEADER: usize = 32;
const ENTRY: usize = 24;
const ALIGN: usize = 64;

/// The version of the format that this runtime writes and reads.
pub const FORMAT_VERSION: u32 = 9;

/// What the code of an artifact was compiled for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// No code: the kernels come from elsewhere, or there are none.
    #[default]
    Any,
    /// A processor; the code is a shared object.
    Cpu {
        /// Architecture, as in `std::env::consts::ARCH`.
        arch: String,
        /// Features that the code uses, by LLVM's names ("avx512f").
        features: Vec<String>,
    },
    /// A GPU; the code is PTX text, and may come with a cubin.
    Cuda {
        /// Architecture, as PTX's `.target` has it ("sm_90a").
        arch: String,
    },
}

/// Bytes that share their owner: a mapped file or memory.
#[derive(Clone)]
pub struct Bytes {
    owner: Arc<dyn AsRef<[u8]> + Send + Sync>,
    range: Range<usize>,
}

impl Bytes {
    /// All bytes of `owner`.
    pub fn new(owner: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let range = 0..owner.as_ref().len();
        Self { owner: Arc::new(owner), range }
    }

    /// The part `range` of these bytes, or `None` if it does not lie within.
    pub fn slice(&self, range: Range<usize>) -> Option<Self> {
        self.get(range.clone())?;
        let (start, end) = (self.range.start + range.start, self.range.start + range.end);
        Some(Self { owner: Arc::clone(&self.owner), range: start..end })
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &(*self.owner).as_ref()[self.range.clone()]
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

/// A checked program with its code and constants.
#[derive(Clone, Debug)]
pub struct Artifact {
    program: Arc<Program>,
    setup: Option<Arc<Program>>,
    functions: Vec<Arc<Program>>,
    target: Target,
    code: Bytes,
    constants: Bytes,
    assembled: Bytes,
}

/// Why an artifact cannot be read or written, and which.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct ArtifactError {
    /// The file, or the name given to the bytes.
    pub file: String,
    /// What is wrong.
    pub problem: ArtifactProblem,
}

/// What is wrong with an artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactProblem {
    /// The file cannot be opened, read or written. The caller's to fix.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The bytes are of another format. The caller's mistake.
    #[error("not a compiled artifact")]
    NotAnArtifact,
    /// Another version of Thunder wrote it. Compile again.
    #[error("format version {found}, this runtime reads {FORMAT_VERSION}; compile it again")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// Bytes are missing, added or changed. Copy the file again.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The program breaks a rule of the format. The compiler's bug.
    #[error("invalid program: {0}")]
    Program(#[from] ProgramError),
    /// The code was compiled for another architecture.
    #[error("compiled for {wanted}, this processor is {}", std::env::consts::ARCH)]
    Architecture {
        /// The architecture in the file.
        wanted: String,
    },
    /// The code uses instructions that this processor lacks. Compile for this machine.
    #[error("needs the cpu features {}, which this processor lacks", .missing.join(", "))]
    Features {
        /// Those that are missing.
        missing: Vec<String>,
    },
}

type Result<T, E = ArtifactProblem> = std::result::Result<T, E>;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Section {
    Target = 1,
    Program = 2,
    Code = 3,
    Constants = 4,
    Setup = 5,
    Assembled = 6,
    Functions = 7,
}

const SECTIONS: [Section; 7] = [
    Section::Target,
    Section::Program,
    Section::Code,
    Section::Constants,
    Section::Setup,
    Section::Assembled,
    Section::Functions,
];

impl Artifact {
    /// Puts an artifact together in memory. `code` is what `target` says, or empty when the kernels
    /// come from elsewhere (a JIT); `constants` holds each constant at its offset.
    pub fn new(program: Program, target: Target, code: Bytes, constants: Bytes) -> Result<Self, ArtifactError> {
        Self::with_functions(program, Vec::new(), target, code, constants)
    }

    /// As [`Artifact::new`], with the functions that steps of the program run. One runs only those before it.
    pub fn with_functions(
        program: Program,
        functions: Vec<Program>,
        target: Target,
        code: Bytes,
        constants: Bytes,
    ) -> Result<Self, ArtifactError> {
        let name = program.name.clone();
        Self::checked(program, functions, target, code, constants).map_err(named(&name))
    }

    /// The same artifact with a program that makes some of the parameters once, from others: its outputs have their
    /// names. It shares code, constants and functions.
    pub fn with_setup(self, setup: Program) -> Result<Self, ArtifactError> {
        let name = setup.name.clone();
        self.set_up(setup).map_err(named(&name))
    }

    /// The same artifact with a cubin of its PTX, which saves assembling it when a session is prepared on that very
    /// architecture.
    pub fn with_cubin(self, cubin: Bytes) -> Self {
        Self { assembled: cubin, ..self }
    }

    /// Maps and checks a file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ArtifactError> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let length = fs::metadata(path).map_err(ArtifactProblem::from).map_err(named(&file))?.len();
        if length < HEADER as u64 {
            return Err(named(&file)(ArtifactProblem::NotAnArtifact));
        }
        let mapped = mmap_guard::map_file(path).map_err(ArtifactProblem::from).map_err(named(&file))?;
        Self::from_bytes(Bytes::new(mapped), &file)
    }

    /// Checks the bytes of an artifact; `name` stands for them in errors.
    pub fn from_bytes(bytes: Bytes, name: &str) -> Result<Self, ArtifactError> {
        Self::parse(&bytes).map_err(named(name))
    }

    /// The program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The program that makes parameters of [`Artifact::program`] when a session is prepared, if there is one.
    pub fn setup(&self) -> Option<&Arc<Program>> {
        self.setup.as_ref()
    }

    /// The functions that steps of both programs run, each after those that it runs.
    pub fn functions(&self) -> &[Arc<Program>] {
        &self.functions
    }

    /// The weights that sessions are prepared with: the parameters of both programs, but for those that one makes.
    pub fn parameters(&self) -> Vec<Parameter> {
        weights(self.setup.as_deref(), &self.program).expect("both programs have been checked")
    }

    /// What the code needs.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The shared object or PTX with the kernels; empty when there is none.
    pub fn code(&self) -> &Bytes {
        &self.code
    }

    /// The cubin of the code; empty when there is none.
    pub fn cubin(&self) -> &Bytes {
        &self.assembled
    }

    /// The constants section.
    pub fn constants(&self) -> &Bytes {
        &self.constants
    }

    /// The bytes of the file: the same for the same artifact, always.
    pub fn to_bytes(&self) -> Vec<u8> {
        let target = postcard::to_stdvec(&self.target).expect("a target encodes to memory");
        let program = postcard::to_stdvec(&*self.program).expect("a program encodes to memory");
        let setup =
            self.setup.as_ref().map(|setup| postcard::to_stdvec(&**setup).expect("a program encodes to memory"));
        let setup = setup.as_deref().unwrap_or_default();
        let functions: Vec<&Program> = self.functions.iter().map(|function| &**function).collect();
        let functions = if functions.is_empty() { Ok(Vec::new()) } else { postcard::to_stdvec(&functions) };
        let functions = functions.expect("programs encode to memory");
        let contents: [&[u8]; 7] = [&target, &program, &self.code, &self.constants, setup, &self.assembled, &functions];

        let mut table = Vec::with_capacity(SECTIONS.len() * ENTRY);
        let mut offset = (HEADER + SECTIONS.len() * ENTRY).next_multiple_of(ALIGN);
        for (section, content) in SECTIONS.iter().zip(contents) {
            table.extend((*section as u32).to_le_bytes());
            table.extend(crc32fast::hash(content).to_le_bytes());
            table.extend((offset as u64).to_le_bytes());
            table.extend((content.len() as u64).to_le_bytes());
            offset = (offset + content.len()).next_multiple_of(ALIGN);
        }
        let mut bytes = Vec::with_capacity(offset);
        bytes.extend(MAGIC);
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend((SECTIONS.len() as u32).to_le_bytes());
        bytes.extend((offset as u64).to_le_bytes());
        let crc = header_crc(&bytes, &table);
        bytes.extend(crc.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(table);
        for content in contents {
            bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
            bytes.extend(content);
        }
        bytes.resize(offset, 0);
        bytes
    }

    /// Writes the file. A reader sees the old file or the new one, never half of one.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), ArtifactError> {
        let path = path.as_ref();
        let mut partial = path.as_os_str().to_owned();
        partial.push(format!(".{}.part", std::process::id()));
        let partial = PathBuf::from(partial);
        let written = fs::File::create(&partial)
            .and_then(|mut file| file.write_all(&self.to_bytes()))
            .and_then(|()| fs::rename(&partial, path));
        written.map_err(|error| {
            // The partial file is of no use; failing to remove it changes nothing.
            let _ = fs::remove_file(&partial);
            named(&path.display().to_string())(error.into())
        })
    }

    fn checked(
        program: Program,
        functions: Vec<Program>,
        target: Target,
        code: Bytes,
        constants: Bytes,
    ) -> Result<Self> {
        if let Target::Cpu { arch, features } = &target {
            if arch != std::env::consts::ARCH {
                return Err(ArtifactProblem::Architecture { wanted: arch.clone() });
            }
            let missing = features::missing(features);
            if !missing.is_empty() {
                return Err(ArtifactProblem::Features { missing });
            }
        }
        if matches!(target, Target::Cuda { .. }) && std::str::from_utf8(&code).is_err() {
            return damaged("the PTX is no text");
        }
        let mut known: Vec<Arc<Program>> = Vec::with_capacity(functions.len());
        for function in functions {
            function.validate(constants.len() as u64)?;
            function.validate_for(&target)?;
            function.validate_function()?;
            function.validate_functions(&known)?;
            known.push(Arc::new(function));
        }
        check_depth(&known)?;
        program.validate(constants.len() as u64)?;
        program.validate_for(&target)?;
        program.validate_functions(&known)?;
        let assembled = Bytes::new(Vec::new());
        Ok(Self { program: Arc::new(program), setup: None, functions: known, target, code, constants, assembled })
    }

    fn set_up(self, setup: Program) -> Result<Self> {
        setup.validate(self.constants.len() as u64)?;
        setup.validate_for(&self.target)?;
        setup.validate_functions(&self.functions)?;
        setup.validate_setup(&self.program)?;
        Ok(Self { setup: Some(Arc::new(setup)), ..self })
    }

    fn parse(bytes: &Bytes) -> Result<Self> {
        let Some(header) = bytes.get(..HEADER) else { return Err(ArtifactProblem::NotAnArtifact) };
        if header[..8] != MAGIC {
            return Err(ArtifactProblem::NotAnArtifact);
        }
        let version = u32_at(header, 8);
        if version != FORMAT_VERSION {
            return Err(ArtifactProblem::Version { found: version });
        }
        let (count, length) = (u32_at(header, 12), u64_at(header, 16));
        if length != bytes.len() as u64 {
            return damaged(format!("{} bytes of {length}", bytes.len()));
        }
        if count as usize != SECTIONS.len() {
            return damaged(format!("{count} sections"));
        }
        let Some(table) = bytes.get(HEADER..HEADER + SECTIONS.len() * ENTRY) else {
            return damaged("the section table is cut off");
        };
        if u32_at(header, 24) != header_crc(&header[..24], table) || header[28..] != [0; 4] {
            return damaged("the header's checksum differs");
        }
        let section = |section: Section| {
            let entry = &table[SECTIONS.iter().position(|&s| s == section).unwrap_or(0) * ENTRY..];
            section_bytes(bytes, section as u32, entry)
        };
        let target = section(Section::Target)?;
        let target = postcard::from_bytes(&target).map_err(|e| undecodable("target", &e))?;
        let program = section(Section::Program)?;
        let program = postcard::from_bytes(&program).map_err(|e| undecodable("program", &e))?;
        let functions = match section(Section::Functions)? {
            none if none.is_empty() => Vec::new(),
            functions => postcard::from_bytes(&functions).map_err(|e| undecodable("functions", &e))?,
        };
        let (code, constants) = (section(Section::Code)?, section(Section::Constants)?);
        let whole =
            Self::checked(program, functions, target, code, constants)?.with_cubin(section(Section::Assembled)?);
        let setup = section(Section::Setup)?;
        if setup.is_empty() {
            return Ok(whole);
        }
        whole.set_up(postcard::from_bytes(&setup).map_err(|e| undecodable("setup program", &e))?)
    }
}

fn section_bytes(bytes: &Bytes, kind: u32, entry: &[u8]) -> Result<Bytes> {
    if u32_at(entry, 0) != kind {
        return damaged(format!("section {kind} is not where it belongs"));
    }
    let (offset, length) = (u64_at(entry, 8), u64_at(entry, 16));
    let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
    let content = range
        .and_then(|(offset, length)| Some(offset..offset.checked_add(length)?))
        .and_then(|range| bytes.slice(range));
    let Some(content) = content else { return damaged(format!("section {kind} is cut off")) };
    if offset % ALIGN as u64 != 0 {
        return damaged(format!("section {kind} is not aligned"));
    }
    if crc32fast::hash(&content) != u32_at(entry, 4) {
        return damaged(format!("the checksum of section {kind} differs"));
    }
    Ok(content)
}

fn header_crc(header: &[u8], table: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(table);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes are four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes are eight bytes"))
}

fn damaged<T>(problem: impl Into<String>) -> Result<T> {
    Err(ArtifactProblem::Damaged(problem.into()))
}

fn undecodable(what: &str, error: &postcard::Error) -> ArtifactProblem {
    ArtifactProblem::Damaged(format!("the {what} does not decode: {error}"))
}

fn named(file: &str) -> impl Fn(ArtifactProblem) -> ArtifactError + '_ {
    move |problem| ArtifactError { file: file.to_owned(), problem }
}
