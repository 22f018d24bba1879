//! Runs a program until it exits and collects its output.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use crate::base::interrupt::{Watched, is_interrupted};
use crate::base::process::{Finished, ProcessError, Program};

impl Program {
    /// Runs it until it exits, writing standard input while both outputs are read.
    ///
    /// # Errors
    /// When it cannot be started; its exit status is in the result.
    pub fn output(&self) -> Result<Finished, ProcessError> {
        self.output_streamed(&mut |_| {})
    }

    /// Runs it like [`Program::output`] and passes on every piece of standard output as it arrives.
    ///
    /// # Errors
    /// As [`Program::output`].
    pub fn output_streamed(
        &self,
        on_piece: &mut dyn FnMut(&[u8]),
    ) -> Result<Finished, ProcessError> {
        self.collect(on_piece).map_err(|source| self.error(source))
    }

    fn collect(&self, on_piece: &mut dyn FnMut(&[u8])) -> io::Result<Finished> {
        let _span = self.span().entered();
        let mut command = self.command();
        let stdin = match &self.stdin_file {
            Some(file) => Stdio::from(file.try_clone()?),
            None if self.stdin.is_empty() => Stdio::null(),
            None => Stdio::piped(),
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (mut child, watched) = Watched::start(|own_group| {
            if own_group {
                command.process_group(0);
            }
            let child = command.spawn()?;
            let pid = child.id();
            Ok((child, pid))
        })?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let mut stdout = Vec::new();
        let stderr = std::thread::scope(|scope| -> io::Result<Vec<u8>> {
            let feeding = stdin.map(|mut pipe| {
                // A program may exit without reading all of its input.
                scope.spawn(move || drop(pipe.write_all(&self.stdin)))
            });
            let errors = stderr.map(|mut pipe| {
                scope.spawn(move || {
                    let mut bytes = Vec::new();
                    pipe.read_to_end(&mut bytes).map(|_| bytes)
                })
            });
            if let Some(mut pipe) = child.stdout.take() {
                read_pieces(&mut pipe, &mut stdout, on_piece)?;
            }
            if let Some(feeding) = feeding {
                let _ = feeding.join();
            }
            errors.map_or(Ok(Vec::new()), |thread| {
                thread.join().unwrap_or(Ok(Vec::new()))
            })
        })?;
        // After the wait below its pid may belong to another program.
        drop(watched);
        if is_interrupted() {
            // The exit may be the work of the signal, so the result is not used.
            let _ = child.wait();
            return Err(io::ErrorKind::Interrupted.into());
        }
        Ok(Finished {
            status: child.wait()?,
            stdout,
            stderr,
        })
    }
}

/// Reads to the end and passes on every piece.
fn read_pieces(
    from: &mut impl Read,
    to: &mut Vec<u8>,
    on_piece: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let mut piece = vec![0; 1 << 16];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                on_piece(&piece[..count]);
                to.extend_from_slice(&piece[..count]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
