//! A list of which one thing is selected by its id, wherever its row goes.

use aya_api::fault::FaultView;
use aya_api::run::RunView;

/// What such a list holds.
pub trait Named {
    /// What tells it from the others.
    fn id(&self) -> &str;
}

impl Named for FaultView {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Named for RunView {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The selected one, and what is inside the window.
#[derive(Clone, Debug, Default)]
pub struct Picked {
    /// Its id; the first one counts as selected while there is none.
    pub id: Option<String>,
    /// First line on show.
    pub scroll: usize,
}

impl Picked {
    /// Where the selected one is; the first one when it is gone.
    pub fn position<T: Named>(&self, list: &[T]) -> Option<usize> {
        if list.is_empty() {
            return None;
        }
        let found = self.id.as_deref().and_then(|id| list.iter().position(|item| item.id() == id));
        Some(found.unwrap_or(0))
    }

    /// Selects the one at `position`.
    pub fn select<T: Named>(&mut self, list: &[T], position: usize) {
        self.id = list.get(position).map(|item| item.id().to_owned());
    }
}
