//! The field `source` of a task: `spec-kit specs/001-shop/tasks.md T012`.

use std::fmt;

use crate::plan::import::ImportFormat;

/// The origin of an imported task.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct TaskSource {
    /// The format.
    pub format: ImportFormat,
    /// The file, relative to the top of the repository, or the repository on GitHub.
    pub file: String,
    /// The id of the item in it.
    pub id: String,
}

impl PartialOrd for ImportFormat {
    fn partial_cmp(&self, other: &ImportFormat) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ImportFormat {
    fn cmp(&self, other: &ImportFormat) -> std::cmp::Ordering {
        self.name().cmp(other.name())
    }
}

impl TaskSource {
    /// Splits the id of an item of task-master from the name of its list.
    pub fn list_and_id(&self) -> (Option<&str>, &str) {
        match (self.format, self.id.rsplit_once('/')) {
            (ImportFormat::TaskMaster, Some((list, id))) => (Some(list), id),
            _ => (None, &self.id),
        }
    }

    /// Parses the value of the field; `None` for any other text.
    pub fn parse(text: &str) -> Option<TaskSource> {
        let (format, rest) = text.split_once(' ')?;
        let (file, id) = rest.split_once(' ')?;
        Some(TaskSource {
            format: ImportFormat::named(format)?,
            file: file.replace("%20", " ").replace("%25", "%"),
            id: id.to_owned(),
        })
    }
}

impl fmt::Display for TaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.replace('%', "%25").replace(' ', "%20");
        write!(f, "{} {file} {}", self.format.name(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_back() {
        for file in ["tasks.md", "my specs/100%20.md"] {
            let source = TaskSource {
                format: ImportFormat::CheckList,
                file: file.to_owned(),
                id: "Write the docs (2)".to_owned(),
            };
            assert_eq!(TaskSource::parse(&source.to_string()), Some(source));
        }
        assert_eq!(TaskSource::parse("jira SHOP-1"), None);
    }
}
