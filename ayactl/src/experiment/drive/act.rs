//! What the runner wants is done.

use std::time::Duration;

use aya_api::axis::Admin;
use aya_api::change::ChangeOptions;
use aya_api::command::admin::SetAdmin;
use aya_api::command::faults::{RenewFault, StartFault, StopFault};
use aya_api::command::notes::AddNote;
use aya_api::command::weight::SetWeight;
use aya_api::fault::{FaultBody, FaultState};

use super::programs::Program;
use super::{Driver, LEASE_MS, MARGIN, tell};
use crate::demo::practice;
use crate::experiment::check::LOAD;
use crate::experiment::load::Load;
use crate::experiment::model::{Action, Order, Practice};
use crate::experiment::practice::Verb;
use crate::experiment::runner::{Answer, Inverse, Task};
use crate::failure::Failure;
use crate::loadtest::target::Surroundings;

impl Driver<'_> {
    pub(super) async fn act(&mut self, task: Task) {
        match task {
            Task::Begin(index) => {
                let action = self.runner.experiment.steps[index].action.clone();
                if let Err(why) = self.begin(index, action).await {
                    self.runner.answer(self.now(), Answer::Failed(index, why));
                }
            }
            Task::End(index) => self.end(index).await,
            Task::Undo(index, inverse) => {
                let undone = self.order(&inverse.subject, inverse.order, None).await;
                let answer = match undone {
                    Ok(_) => {
                        self.note(inverse.told).await;
                        Answer::Undone(index)
                    }
                    Err(why) => Answer::Stuck(index, format!("{} was not put back: {why}", inverse.subject)),
                };
                self.runner.answer(self.now(), answer);
            }
        }
    }

    async fn begin(&mut self, index: usize, action: Action) -> Result<(), String> {
        match action {
            Action::Fault(body) => self.inject(index, *body).await?,
            Action::Practice(what) => self.practise(index, what).await?,
            Action::Load(line) => {
                let around = Surroundings::ask(&self.recorder.client).await;
                let load = around.and_then(|around| Load::start(&line, around)).map_err(told)?;
                self.recorder.loads.insert(index, load);
                self.loads.insert(index);
                self.runner.answer(self.now(), Answer::Began(index, None));
            }
            Action::Order { pool, backend, order } => {
                let id = format!("{pool}/{backend}");
                let left = self.runner.experiment.length() + MARGIN;
                let before = self.order(&id, order, Some(left)).await?;
                let told = match before {
                    Order::Admin(state) => format!("{id} is {state} again"),
                    Order::Weight(weight) => format!("{id} has the weight {weight} again"),
                };
                let inverse = (before != order).then_some(Inverse { subject: id, order: before, told });
                self.runner.answer(self.now(), Answer::Began(index, inverse));
                self.runner.answer(self.now(), Answer::Ended(index, "done".to_owned()));
            }
            Action::Run(argv, limit) => {
                let program = Program::start(&argv, self.now() + limit).map_err(|error| error.to_string())?;
                self.programs.insert(index, program);
                self.runner.answer(self.now(), Answer::Began(index, None));
            }
            Action::Wait(_) | Action::WaitFor(..) => {
                self.runner.answer(self.now(), Answer::Began(index, None));
            }
        }
        Ok(())
    }

    async fn inject(&mut self, index: usize, mut body: FaultBody) -> Result<(), String> {
        let experiment = self.runner.experiment;
        body.run = Some(self.options.id.clone());
        body.lease_ms = Some(body.lease_ms.unwrap_or(LEASE_MS).min(LEASE_MS));
        experiment.limit(&mut body);
        // The daemon looks at them ten times a second, also when this process hangs.
        let own = experiment.stop.iter().filter(|stop| stop.scope.as_deref() != Some(LOAD));
        body.stop_if.extend(own.map(ToString::to_string));
        let options = ChangeOptions { reason: Some(self.reason()), ..ChangeOptions::default() };
        let fault = self.recorder.client.change(&StartFault::new(body), &options).await;
        let fault = fault.map_err(|error| with_hint(&error))?;
        self.faults.insert(index, fault);
        self.runner.answer(self.now(), Answer::Began(index, None));
        Ok(())
    }

    async fn practise(&mut self, index: usize, what: Practice) -> Result<(), String> {
        if what.verb == Verb::Restart {
            self.ask(&what, None)?;
            self.note(format!("fault: {} is killed and started again", what.backend)).await;
            self.runner.answer(self.now(), Answer::Began(index, None));
            self.runner.answer(self.now(), Answer::Ended(index, "was started again".to_owned()));
            return Ok(());
        }
        self.inject(index, what.body()).await?;
        let fault = self.faults[&index].id.clone();
        match self.ask(&what, Some(fault.clone())) {
            Ok(()) => Ok(()),
            Err(why) => {
                // When that fails too, the lease ends it.
                let _ = self.recorder.client.call(&StopFault::new(&fault)).await;
                Err(why)
            }
        }
    }

    fn ask(&self, what: &Practice, fault: Option<String>) -> Result<(), String> {
        practice::ask(self.recorder.client.socket(), &what.request(fault)).map(drop).map_err(told)
    }

    /// Ends a step that lasts. What cannot be ended ends by itself: its lease runs out.
    async fn end(&mut self, index: usize) {
        let now = self.now();
        if let Some(fault) = self.faults.get(&index).filter(|fault| fault.state != FaultState::Ended) {
            match self.recorder.client.call(&StopFault::new(&fault.id)).await {
                Ok(ended) => {
                    let told = tell::outcome(&ended);
                    self.faults.insert(index, ended);
                    self.runner.answer(now, Answer::Ended(index, told));
                }
                Err(error) => {
                    let why = format!("it could not be stopped and ends with its lease: {error}");
                    self.runner.answer(now, Answer::Failed(index, why.clone()));
                    self.runner.stuck.push(format!("{}: {why}", self.runner.steps[index].name));
                }
            }
        } else if let Some(load) = self.recorder.loads.get(&index) {
            // Requests under way have a moment; what came of all of it is noticed then.
            load.stop();
        } else if self.programs.remove(&index).is_some() {
            self.runner.answer(now, Answer::Ended(index, "ended before its time".to_owned()));
        }
    }

    /// Orders something about a backend, for a time if one is given. Answers with what it was before.
    async fn order(&self, id: &str, order: Order, lease: Option<Duration>) -> Result<Order, String> {
        let (pool, backend) = id.split_once('/').ok_or("it names no backend")?;
        let options = ChangeOptions {
            reason: Some(self.reason()),
            for_ms: lease.map(|lease| u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)),
            run: Some(self.options.id.clone()),
            ..ChangeOptions::default()
        };
        let client = &self.recorder.client;
        match order {
            Order::Admin(state) => {
                // A lease on what is the usual state would end in the state before it.
                let for_ms = options.for_ms.filter(|_| state != Admin::Ready);
                let options = ChangeOptions { for_ms, ..options };
                let made = client.change(&SetAdmin::new(pool, backend, state, None), &options).await;
                let before = made.map_err(|error| with_hint(&error))?.before;
                Ok(Order::Admin(match before.parse() {
                    Ok(Admin::Drained | Admin::Draining) => Admin::Draining,
                    Ok(state) => state,
                    Err(_) => Admin::Ready,
                }))
            }
            Order::Weight(weight) => {
                let made = client.change(&SetWeight::new(pool, backend, weight), &options).await;
                let before = made.map_err(|error| with_hint(&error))?.before;
                before.parse().map(Order::Weight).map_err(|_| format!("its weight before is \"{before}\""))
            }
        }
    }

    /// Tells the leases of faults that this process is alive. One that is not renewed in time ends, and that is seen.
    pub(super) async fn renew(&self) {
        for fault in self.faults.values().filter(|fault| fault.state == FaultState::Active) {
            // A refusal means that it has ended, which the next look tells.
            let _ = self.recorder.client.call(&RenewFault::new(&fault.id)).await;
        }
    }

    /// Notes something among the events of the daemon. A note that is lost costs nobody anything but the note.
    pub(super) async fn note(&self, text: String) {
        let note = AddNote::new(&text).about(&self.options.id);
        let _ = self.recorder.client.call(&note).await;
    }

    fn reason(&self) -> String {
        format!("experiment: {}", self.runner.experiment.title)
    }
}

fn told(failure: Failure) -> String {
    match failure.hint.as_str() {
        "" => failure.message,
        hint => format!("{} ({hint})", failure.message),
    }
}

fn with_hint(error: &aya_api::client::ClientError) -> String {
    match error.hint() {
        hint if hint.is_empty() => error.to_string(),
        hint => format!("{error} ({hint})"),
    }
}
