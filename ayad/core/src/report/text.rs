//! `name=value` parts, separated by commas. Envoy's text also separates with a colon.

use super::{Flaw, number};

/// Is told a name and its number, and may have enough.
type Tell<'t> = dyn FnMut(&[u8], f64) -> Result<(), Flaw> + 't;

pub(super) fn read(text: &[u8], tell: &mut Tell<'_>) -> Result<(), Flaw> {
    for part in text.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty()) {
        let middle = part.iter().position(|byte| matches!(byte, b'=' | b':')).ok_or(Flaw::Text)?;
        let name = part[..middle].trim_ascii();
        if name.is_empty() {
            return Err(Flaw::Text);
        }
        tell(name, number(&part[middle + 1..]))?;
    }
    Ok(())
}
