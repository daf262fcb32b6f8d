//! Makes a program small that still shows its fault: by halves of its lines, then of its words.

/// The smallest program found that `shows` the fault; the program itself where it does not show it again.
pub(crate) fn smallest(
    program: &[u8],
    mut shows: impl FnMut(&[u8]) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<u8>> {
    if !shows(program)? {
        return Ok(program.to_vec());
    }
    let by_lines = shrink(parts(program, b'\n'), &mut shows)?;
    shrink(parts(&by_lines.concat(), b' '), &mut shows).map(|parts| parts.concat())
}

/// Delta debugging without the test of subsets: what can be left out is, from large pieces to single parts.
fn shrink(
    mut parts: Vec<Vec<u8>>,
    shows: &mut impl FnMut(&[u8]) -> anyhow::Result<bool>,
) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut size = parts.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < parts.len() {
            let without = [&parts[..at], &parts[(at + size).min(parts.len())..]].concat();
            if shows(&without.concat())? {
                parts = without;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    Ok(parts)
}

/// Pieces that end with `separator`, so that they join to the whole.
fn parts(bytes: &[u8], separator: u8) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == separator).map(<[u8]>::to_vec).collect()
}
