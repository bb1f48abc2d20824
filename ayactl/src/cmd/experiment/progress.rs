//! Progress of a run on stderr: a line that is redrawn at a terminal, a line for each change elsewhere.

use std::time::Duration;

use crate::experiment::runner::{Phase, Runner, StepState};
use crate::experiment::verdict::shown;
use crate::session::Session;

/// What was said last.
pub(in crate::cmd) struct Progress {
    redraws: bool,
    is_quiet: bool,
    phase: Option<Phase>,
    states: Vec<StepState>,
    drawn: bool,
    about: String,
}

impl Progress {
    /// For the stderr of a session.
    pub(in crate::cmd) fn new(session: &Session<'_, '_>) -> Self {
        Self {
            redraws: session.can_redraw(),
            is_quiet: session.is_quiet(),
            phase: None,
            states: Vec::new(),
            drawn: false,
            about: String::new(),
        }
    }

    /// Begins with another experiment.
    pub(in crate::cmd) fn about(&mut self, title: &str) {
        if self.about != title {
            title.clone_into(&mut self.about);
            (self.phase, self.states) = (None, Vec::new());
        }
    }

    /// What is new, one line each.
    pub(in crate::cmd) fn lines(&mut self, runner: &Runner<'_>, now: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        let at = format!("{:5.1} s", now.as_secs_f64());
        if self.phase != Some(runner.phase) {
            let is_first = self.phase.is_none();
            self.phase = Some(runner.phase);
            let what = match runner.phase {
                Phase::Before => "the probes are looked at",
                Phase::Steps => "the hypothesis holds: here we go",
                Phase::Reverting => "everything is put back",
                Phase::After => "the probes are waited for",
                Phase::Over => "over",
            };
            if is_first || runner.phase != Phase::Over {
                lines.push(format!("{at}  {what}"));
            }
        }
        let states: Vec<StepState> = runner.steps.iter().map(|step| step.state).collect();
        for (index, step) in runner.steps.iter().enumerate() {
            let before = self.states.get(index).copied().unwrap_or(StepState::Waiting);
            if before == step.state {
                continue;
            }
            match step.state {
                StepState::Active => lines.push(format!("{at}  {} began", step.what)),
                StepState::Ended => {
                    lines.push(format!("{at}  {}: {}", step.what, step.outcome.as_deref().unwrap_or("over")));
                }
                StepState::Failed => {
                    lines.push(format!(
                        "{at}  {} failed: {}",
                        step.what,
                        step.outcome.as_deref().unwrap_or("")
                    ));
                }
                StepState::Waiting | StepState::Beginning => {}
            }
        }
        self.states = states;
        lines
    }

    /// Says what is new, and redraws how the probes stand.
    pub(in crate::cmd) fn tell(&mut self, runner: &Runner<'_>, now: Duration, err: &mut dyn std::io::Write) {
        let lines = self.lines(runner, now);
        if self.is_quiet {
            return;
        }
        // Talk: a stderr that is gone is nobody's loss.
        if self.redraws && std::mem::take(&mut self.drawn) {
            let _ = write!(err, "\r\u{1b}[K");
        }
        for line in lines {
            let _ = writeln!(err, "{line}");
        }
        if self.redraws && runner.phase != Phase::Over {
            let left = runner.experiment.length().saturating_sub(now);
            let probes = runner.probes.iter().map(|probe| {
                let gate = &probe.gate;
                let sign = match gate.holds {
                    Some(true) => "+",
                    Some(false) => "!",
                    None => "?",
                };
                format!("{sign} {} ({})", gate.condition, shown(&gate.condition, gate.value.as_ref()))
            });
            let probes = probes.collect::<Vec<_>>().join("  ");
            let _ = write!(
                err,
                "{:5.1} s  at most {:.0} s left  {probes}",
                now.as_secs_f64(),
                left.as_secs_f64()
            );
            self.drawn = true;
        }
        let _ = err.flush();
    }
}
