//! Manual pages, made from the same command tree as the help.

use std::path::Path;

use serde_json::json;

use crate::args::{Format, Global, ManArgs, command};
use crate::console::Console;
use crate::failure::Failure;
use crate::{render, session};

/// Runs the verb: prints the main page, or writes a page for every verb into a folder.
pub fn run(args: &ManArgs, global: &Global, console: &mut Console<'_>) -> Result<u8, Failure> {
    let view = session::view(global, console);
    if let Some(dir) = &args.dir {
        let pages = write_all(dir)?;
        let text = match render::document(&pages, &view)? {
            Some(text) => text,
            None => render::lines(&pages),
        };
        console.out.write_all(text.as_bytes())?;
        return Ok(0);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    let text = match view.format {
        Format::Name => "ayactl.1\n".into(),
        Format::Table | Format::Wide | Format::Csv | Format::Json | Format::Jsonl | Format::Yaml => {
            let object = json!({ "name": "ayactl.1", "page": page });
            render::document(&object, &view)?.unwrap_or_else(|| page.into_owned())
        }
    };
    console.out.write_all(text.as_bytes())?;
    Ok(0)
}

/// Writes a page for every verb and returns their paths, in order.
fn write_all(dir: &Path) -> Result<Vec<String>, Failure> {
    let named = |error| Failure::from(error).context(dir.display());
    std::fs::create_dir_all(dir).map_err(named)?;
    clap_mangen::generate_to(command(), dir).map_err(named)?;
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(named)? {
        let path = entry.map_err(named)?.path();
        let ours = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ayactl"));
        if ours && path.extension().is_some_and(|end| end == "1") {
            pages.push(path.display().to_string());
        }
    }
    pages.sort();
    Ok(pages)
}
