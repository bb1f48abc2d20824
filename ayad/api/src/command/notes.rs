//! `POST /v1/notes`: something that a person saw or did, as an event among the others.

use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};

use super::{Call, Id, Method, Spec};
use crate::axis::Level;
use crate::event::Event;

/// Longest note, in bytes.
pub const LONGEST_NOTE: usize = 1000;

/// Adds a note.
#[derive(Clone, Debug)]
pub struct AddNote {
    body: NoteBody,
}

/// Body of the call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteBody {
    /// What to note, at most [`LONGEST_NOTE`] bytes.
    pub text: String,
    /// The run it is about; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

impl AddNote {
    /// Notes `text`.
    pub fn new(text: &str) -> Self {
        Self { body: NoteBody { text: text.into(), run: None } }
    }

    /// The run it is about.
    #[must_use]
    pub fn about(mut self, run: &str) -> Self {
        self.body.run = Some(run.into());
        self
    }
}

/// Its line in the table.
pub const SPEC: Spec = Spec {
    id: Id::AddNote,
    method: Method::Post,
    path: "/v1/notes",
    summary: "Note what a person saw or did, as an event of kind `note`",
    level: Level::Operate,
    query: &[],
    body: Some(|| schema_for!(NoteBody)),
    reply: Some(|| schema_for!(Event)),
};

impl Call for AddNote {
    type Reply = Event;
    type Body = NoteBody;
    const SPEC: Spec = SPEC;

    fn body(&self) -> Option<&NoteBody> {
        Some(&self.body)
    }
}
