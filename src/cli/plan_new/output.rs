//! The file that a new plan is saved in.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::files;
use crate::base::text::{error_chain, shell_word, terminal_safe};
use crate::cli::confirm::ConfirmArgs;
use crate::cli::error::CommandError;
use crate::cli::plan_source::plan_format;
use crate::model::plan::Plan;
use crate::plan::{Format, render};
use crate::ui::Ui;

/// The file of a new plan.
#[derive(Clone, Debug)]
pub(super) struct Output {
    path: PathBuf,
    /// The format of the file.
    pub(super) format: Format,
    force: bool,
}

impl Output {
    /// Checks the name of the file.
    ///
    /// # Errors
    /// When it has no known extension, or its folder does not exist.
    pub(super) fn new(path: &Path, force: bool) -> Result<Output, CommandError> {
        let shown = terminal_safe(&path.display().to_string());
        let format = plan_format(path)?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(CommandError::failed(format!(
                "the folder of {shown} does not exist"
            )));
        }
        if path.is_dir() {
            return Err(CommandError::failed(format!("{shown} is a folder")));
        }
        Ok(Output {
            path: path.to_owned(),
            format,
            force,
        })
    }

    /// Returns the name, safe to print.
    pub(super) fn shown(&self) -> String {
        terminal_safe(&self.path.display().to_string())
    }

    /// Returns the name as an argument of a command line.
    pub(super) fn word(&self) -> String {
        shell_word(&self.shown())
    }

    /// Refuses a file that would have to be replaced.
    ///
    /// # Errors
    /// When it exists, and may not be replaced.
    pub(super) fn refuse_existing(&self) -> Result<(), CommandError> {
        match self.path.symlink_metadata().is_ok() && !self.force {
            true => Err(self.exists()),
            false => Ok(()),
        }
    }

    /// Writes the plan. An existing file is replaced if the user agrees.
    ///
    /// # Errors
    /// When the user declines, or the file cannot be written.
    pub(super) fn write(
        &self,
        plan: &Plan,
        ui: &Ui,
        consent: ConfirmArgs,
    ) -> Result<(), CommandError> {
        let text = render(plan, self.format);
        let failed = |error: io::Error| {
            let shown = self.shown();
            CommandError::failed(format!("could not write {shown}: {}", error_chain(&error)))
        };
        if self.force {
            return files::replace(&self.path, text.as_bytes()).map_err(failed);
        }
        let created = File::create_new(&self.path);
        match created.and_then(|mut file| file.write_all(text.as_bytes())) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if consent.yes {
                    return Err(self.exists());
                }
                let question = format!("{} exists; replace it?", self.shown());
                consent.confirm_no(ui, &question)?;
                files::replace(&self.path, text.as_bytes()).map_err(failed)
            }
            written => written.map_err(failed),
        }
    }

    fn exists(&self) -> CommandError {
        CommandError::failed(format!("{} exists already", self.shown()))
            .hint("choose another name with `--output`, or replace it with `--force`")
    }
}
