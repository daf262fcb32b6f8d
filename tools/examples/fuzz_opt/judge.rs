//! What must hold for any text: it is refused with an error, or everything about the program works.

use std::path::Path;

use anyhow::Context as _;
use thunder_ir::{Context, Module, prelude::Pipeline};
use thunder_tools::registry;

/// What upstream's printer writes for a symbol without a name, and its parser refuses.
const UNPRINTABLE: &str = "<<INVALID EMPTY SYMBOL>>";

/// Passes that transform a program as it is, each tried on a copy.
const TRANSFORMS: [&str; 2] = ["thunder-autodiff", "thunder-plan"];

/// How a program fared.
pub(crate) enum Verdict {
    /// All of it worked.
    Valid,
    /// It is not a program, and an error says so.
    Refused,
    /// Something of ours is broken, in these words.
    Fault(String),
}

/// A context to try programs in.
pub(crate) struct Judge {
    context: Context,
}

impl Judge {
    pub(crate) fn new() -> Self {
        let contents = registry::thunder();
        contents.register_passes(&Default::default());
        Self { context: Context::with_threading(&contents.registry(), false) }
    }

    /// Parses, verifies, prints in every form and back, and simplifies.
    pub(crate) fn judge(&mut self, source: &[u8]) -> Verdict {
        let mut module = match self.parse(source) {
            Ok(module) => module,
            Err(error) if error.contains("rust panic") => return Verdict::Fault(error),
            Err(_) => return Verdict::Refused,
        };
        if module.to_string().contains(UNPRINTABLE) {
            return Verdict::Refused;
        }
        match self.round_trips(&module).and_then(|()| self.simplifies(&mut module)) {
            Ok(()) => Verdict::Valid,
            Err(fault) => Verdict::Fault(fault),
        }
    }

    fn parse(&self, source: &[u8]) -> Result<Module<'_>, String> {
        Module::parse(&self.context, "fuzz", source).map_err(|error| error.to_string())
    }

    fn round_trips(&self, module: &Module<'_>) -> Result<(), String> {
        let text = module.to_string();
        let generic = module.operation().to_text(true, false);
        let bytecode = module.operation().to_bytecode();
        for (form, source) in
            [("text", text.as_bytes()), ("generic text", generic.as_bytes()), ("bytecode", bytecode.as_slice())]
        {
            let again = self.parse(source).map_err(|error| format!("printed {form} is refused: {error}"))?;
            if again.to_string() != text {
                return Err(format!("printed {form} reads as something else"));
            }
        }
        Ok(())
    }

    /// Simplification works on every program; the other passes may refuse one, but do not break.
    fn simplifies(&self, module: &mut Module<'_>) -> Result<(), String> {
        for pass in ["canonicalize", "cse", "thunder-decompose"] {
            let outcome = Pipeline::new().then(pass).run(module);
            let diagnostics = outcome.map_err(|error| format!("{pass} fails: {error}"))?;
            if let Some(panic) = diagnostics.iter().find(|d| d.message.contains("rust panic")) {
                return Err(format!("{pass}: {}", panic.message));
            }
            let text = module.to_string();
            self.parse(text.as_bytes()).map_err(|error| format!("what {pass} makes is refused: {error}"))?;
        }
        let text = module.to_string();
        for pass in TRANSFORMS {
            let mut copy = self.parse(text.as_bytes())?;
            self.may_refuse(&mut copy, pass)?;
        }
        if self.may_refuse(module, "thunder-kernels")? {
            self.may_refuse(module, "thunder-to-linalg")?;
        }
        Ok(())
    }

    /// Runs a pass, which may refuse the program: whether it took it.
    fn may_refuse(&self, module: &mut Module<'_>, pass: &str) -> Result<bool, String> {
        match Pipeline::new().then(pass).run(module) {
            Ok(_) => Ok(true),
            Err(error) if is_ours(&error.to_string()) => Err(format!("{pass} breaks: {error}")),
            Err(_) => Ok(false),
        }
    }

    /// The samples of all ops and the programs below `corpus`, each also in generic form.
    pub(crate) fn seeds(&self, corpus: &Path) -> anyhow::Result<Vec<String>> {
        let mut seeds = Vec::new();
        for (_, set) in thunder_dialect::all_samples() {
            for sample in &set.samples {
                let dtype = sample.dtypes.0.first().context("a sample has dtypes")?;
                seeds.push(sample.function.replace("$T", &thunder_ir_spelling(*dtype)));
            }
        }
        files(corpus, &mut seeds)?;
        let generic: Vec<_> = seeds
            .iter()
            .filter_map(|seed| Some(self.parse(seed.as_bytes()).ok()?.operation().to_text(true, false)))
            .collect();
        seeds.extend(generic);
        Ok(seeds)
    }
}

/// Whether an error is a bug of ours, whatever the program.
fn is_ours(error: &str) -> bool {
    ["rust panic", "internal", "failed to verify", "does not dominate"].iter().any(|sign| error.contains(sign))
}

/// How MLIR spells a dtype.
fn thunder_ir_spelling(dtype: thunder_tensor::DType) -> String {
    match dtype {
        thunder_tensor::DType::Bool => "i1".to_owned(),
        thunder_tensor::DType::U8 => "ui8".to_owned(),
        other => other.to_string(),
    }
}

fn files(folder: &Path, seeds: &mut Vec<String>) -> anyhow::Result<()> {
    let listing = std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths: Vec<_> = listing.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, seeds)?;
        } else if path.extension().is_some_and(|extension| extension == "mlir")
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            seeds.extend(text.split("// -----").map(without_comments).filter(|seed| !seed.trim().is_empty()));
        }
    }
    Ok(())
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|line| format!("{line}\n")).collect()
}
