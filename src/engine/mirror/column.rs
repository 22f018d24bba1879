//! The options of the field that shows the status of a task.

use crate::model::status::Status;

/// The name of the field, which is dispatch's own: GitHub's field Status belongs to the project.
pub const FIELD: &str = "Dispatch";

/// The name of the field with the priority of a task.
pub const PRIORITY: &str = "Dispatch priority";

/// An option of the field.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Column {
    /// Waits for a free slot.
    Queued,
    /// An attempt runs.
    InProgress,
    /// Passed.
    Done,
    /// Failed.
    Failed,
    /// Waits for another task.
    Blocked,
    /// Is tried again.
    Retry,
    /// Skipped or cancelled.
    Skipped,
}

impl Column {
    /// All of them, in the order on the board.
    pub const ALL: [Column; 7] = [
        Column::Queued,
        Column::InProgress,
        Column::Done,
        Column::Failed,
        Column::Blocked,
        Column::Retry,
        Column::Skipped,
    ];

    /// Returns the column of a status.
    pub fn of(status: &Status) -> Column {
        match status {
            Status::Queued => Column::Queued,
            Status::InProgress => Column::InProgress,
            Status::Done => Column::Done,
            Status::Failed => Column::Failed,
            Status::Blocked(_) => Column::Blocked,
            Status::Retry(_) => Column::Retry,
            Status::Skipped | Status::Cancelled => Column::Skipped,
        }
    }

    /// Returns the name of the option.
    pub fn name(self) -> &'static str {
        match self {
            Column::Queued => "QUEUED",
            Column::InProgress => "IN PROGRESS",
            Column::Done => "DONE",
            Column::Failed => "FAILED",
            Column::Blocked => "BLOCKED",
            Column::Retry => "RETRY",
            Column::Skipped => "SKIPPED",
        }
    }

    /// Finds the option of this name.
    pub fn named(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }

    /// Returns the reason for which the issue of a task in this column is closed; `None` if it is open.
    pub fn closes(self) -> Option<Reason> {
        match self {
            Column::Done => Some(Reason::Completed),
            Column::Skipped => Some(Reason::NotPlanned),
            _ => None,
        }
    }
}

/// The reason for which an issue is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Its work is done.
    Completed,
    /// Its work is not going to be done.
    NotPlanned,
}

/// The input of the mutation that creates the field. Its options are written once: writing the options of
/// a field again takes the value from every card.
pub const STATUS_FIELD: &str = "projectId:$project,dataType:SINGLE_SELECT,name:\"Dispatch\",\
    singleSelectOptions:[{name:\"QUEUED\",color:GRAY,description:\"waits for a free slot\"},\
    {name:\"IN PROGRESS\",color:BLUE,description:\"an attempt runs\"},\
    {name:\"DONE\",color:GREEN,description:\"passed\"},\
    {name:\"FAILED\",color:RED,description:\"failed, and is not tried again\"},\
    {name:\"BLOCKED\",color:ORANGE,description:\"waits for another task\"},\
    {name:\"RETRY\",color:YELLOW,description:\"is tried again\"},\
    {name:\"SKIPPED\",color:PURPLE,description:\"skipped or cancelled\"}]";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_an_option() {
        for column in Column::ALL {
            assert!(STATUS_FIELD.contains(&format!("{{name:\"{}\",", column.name())));
            assert_eq!(Column::named(column.name()), Some(column));
        }
        assert_eq!(STATUS_FIELD.matches("{name:").count(), Column::ALL.len());
    }
}
