//! The way from the root of a file to one of its values, for messages: `pool.shop.backends[1]`.

use std::fmt;

/// A path. It lives on the stack of the walk that is there, so that a file is walked without copying its keys.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path<'p> {
    above: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Index(usize),
}

impl<'p> Path<'p> {
    /// The file as a whole.
    pub(super) const ROOT: Path<'static> = Path { above: None, step: Step::Root };

    /// The path one key further down.
    pub(super) fn key(&'p self, key: &'p str) -> Self {
        Self { above: Some(self), step: Step::Key(key) }
    }

    /// The path of one item of this list.
    pub(super) fn index(&'p self, index: usize) -> Self {
        Self { above: Some(self), step: Step::Index(index) }
    }

    /// The last key on the path.
    pub(super) fn last_key(&self) -> Option<&'p str> {
        match self.step {
            Step::Key(key) => Some(key),
            Step::Root | Step::Index(_) => self.above.and_then(Path::last_key),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(above) = self.above else { return Ok(()) };
        above.fmt(f)?;
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) if matches!(above.step, Step::Root) => f.write_str(key),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let (root, index) = (Path::ROOT, 1);
        let (pool, shop, backends);
        pool = root.key("pool");
        shop = pool.key("shop");
        backends = shop.key("backends");
        let item = backends.index(index);

        assert_eq!(item.to_string(), "pool.shop.backends[1]");
        assert_eq!((item.last_key(), root.to_string().as_str()), (Some("backends"), ""));
    }
}
