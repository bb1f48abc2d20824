//! What becomes of a report: it is compared, kept, written and shown.

use aya_api::exit::Exit;
use aya_load::compare::{Comparison, Concern, Limit, before_run, concerns};
use aya_load::plan::Model;
use aya_load::profile::Profile;
use aya_load::report::{Look, Output, Report};

use crate::args::{AgainstArgs, Format, Global, KeepArgs};
use crate::console::Console;
use crate::failure::Failure;
use crate::loadtest::job::Order;
use crate::loadtest::kept::Shelf;
use crate::session;

/// Draws of comparisons are the same each time.
pub(super) const SEED: u64 = 1;

/// Everything that is asked for once there is a report. It is read, and looked at, before anything is sent.
pub(super) struct Results {
    outputs: Vec<Output>,
    keep: Option<(Shelf, String, bool)>,
    against: Option<Against>,
}

/// What a report is compared with.
pub(super) struct Against {
    name: String,
    report: Report,
    limits: Vec<Limit>,
    anyway: bool,
}

impl Results {
    /// Nothing but files to write.
    pub(super) fn new(outputs: Vec<Output>) -> Self {
        Self { outputs, keep: None, against: None }
    }

    /// The report is kept as well.
    pub(super) fn kept(mut self, args: &KeepArgs, console: &Console<'_>) -> Result<Self, Failure> {
        if let Some(name) = &args.save {
            let shelf = shelf(console)?;
            shelf.reserve(name, args.replace)?;
            self.keep = Some((shelf, name.clone(), args.replace));
        }
        Ok(self)
    }

    /// The report is compared as well.
    pub(super) fn compared(mut self, args: &AgainstArgs, console: &Console<'_>) -> Result<Self, Failure> {
        let limits = limits(&args.regress)?;
        if let Some(typed) = &args.baseline {
            let (name, report) = shelf(console)?.find(typed)?;
            self.against = Some(Against { name, report, limits, anyway: args.anyway });
        }
        Ok(self)
    }

    /// Refuses a test whose figures could not be compared, before it is made.
    pub(super) fn fits(&self, order: &Order) -> Result<(), Failure> {
        let Some(against) = self.against.as_ref().filter(|against| !against.anyway) else { return Ok(()) };
        let plan = &order.plan;
        let mean = |profile: &Profile| profile.total() / profile.length().as_secs_f64();
        // A test that ends after some requests may not see all of its profile.
        let rate =
            order.profile.as_ref().filter(|_| plan.model == Model::Open && plan.requests.is_none()).map(mean);
        let found = before_run(&against.report, plan.model, rate, u64::from(plan.connections));
        refuse(&found, "nothing was sent: ")
    }

    /// Refuses a report whose figures cannot be compared.
    pub(super) fn suits(&self, report: &Report) -> Result<(), Failure> {
        match self.against.as_ref().filter(|against| !against.anyway) {
            Some(against) => refuse(&concerns(&against.report, report), "these cannot be compared: "),
            None => Ok(()),
        }
    }

    /// Compares the report, keeps it, writes it and shows it. `called` is its name in comparisons. Answers with what the
    /// comparison means for the exit status.
    pub(super) fn tell(
        &self,
        mut report: Report,
        called: &str,
        global: &Global,
        console: &mut Console<'_>,
    ) -> Result<Exit, Failure> {
        let mut exit = Exit::Done;
        if let Some(Against { name, report: before, limits, .. }) = &self.against {
            let comparison = Comparison::of(before, &report, [name, called], limits, SEED);
            if comparison.fails() {
                exit = Exit::Gate;
            }
            report.comparison = Some(comparison);
        }
        let (notes, failures): (Vec<_>, Vec<_>) =
            self.written(&report, console).into_iter().partition(Result::is_ok);
        if !global.quiet && !global.output.is_json() {
            for note in notes.into_iter().flatten() {
                console.say(&note);
            }
        }
        // What could not be written is at least shown: nobody can have the run again.
        show(&report, global, console)?;
        let mut failures = failures.into_iter().filter_map(Result::err);
        match failures.next() {
            None => Ok(exit),
            Some(mut first) => {
                first.also.extend(failures);
                Err(first)
            }
        }
    }

    /// Keeps and writes the report, each as far as that can be done.
    fn written(&self, report: &Report, console: &mut Console<'_>) -> Vec<Result<String, Failure>> {
        let kept = self.keep.iter().map(|(shelf, name, replace)| {
            let kept = shelf.keep(name, report, *replace)?;
            if kept != *name {
                console.say(&format!(
                    "warning: somebody took the name \"{name}\" meanwhile; it is kept as \"{kept}\""
                ));
            }
            Ok(format!("kept as {kept} ({})", shelf.file(&kept).display()))
        });
        let files = self.outputs.iter().map(|output| match output.write(report) {
            Ok(()) => Ok(format!("wrote {}", output.file.display())),
            Err(error) => {
                let hint = "make room, or choose another file with --report";
                Err(Failure::new(Exit::Error, "io", error.what(), hint))
            }
        });
        kept.chain(files).collect()
    }
}

/// Where recordings are kept.
pub(super) fn shelf(console: &Console<'_>) -> Result<Shelf, Failure> {
    Ok(Shelf::new(crate::cmd::experiment::state_dir(console)?))
}

/// Reads limits.
pub(super) fn limits(typed: &[String]) -> Result<Vec<Limit>, Failure> {
    let read = |text: &String| {
        text.parse::<Limit>().map_err(|error| {
            let (what, remedy) = error.split_once("; ").unwrap_or((&error, ""));
            Failure::usage(format!("--regress {what}"), remedy)
        })
    };
    typed.iter().map(read).collect()
}

/// Refuses a comparison that means nothing.
pub(super) fn refuse(found: &[Concern], what: &str) -> Result<(), Failure> {
    let stops: Vec<&str> =
        found.iter().filter(|concern| concern.stops).map(|concern| concern.what.as_str()).collect();
    if stops.is_empty() {
        return Ok(());
    }
    let hint = "compare runs of the same load that can be trusted; --anyway compares all the same";
    Err(Failure::new(Exit::Invalid, "not-comparable", format!("{what}{}", stops.join("; ")), hint))
}

/// Shows a report as it was asked for.
fn show(report: &Report, global: &Global, console: &mut Console<'_>) -> Result<(), Failure> {
    let view = session::view(global, console);
    let text = match global.output {
        Format::Table | Format::Wide => {
            report.terminal(Look { color: view.color, width: view.width.unwrap_or(80) })
        }
        Format::Name => format!("{}\n", report.verdict.word.shout()),
        Format::Csv => report.csv(),
        Format::Json | Format::Jsonl | Format::Yaml => {
            crate::render::document(report, &view)?.unwrap_or_default()
        }
    };
    console.out.write_all(text.as_bytes())?;
    Ok(console.out.flush()?)
}
