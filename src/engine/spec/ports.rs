//! Reserves ports for every attempt (`DISPATCH_PORT_BASE`), so that servers of concurrent tasks do
//! not collide: distinct among all live attempts of the repository, in any run, and the same for
//! every attempt at a task or variant.
//!
//! One small file beside the runs records the reservations. If it cannot be used, attempts start
//! without reserved ports.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use crate::base::files::FileLock;
use crate::engine::kernel::context::Context;
use crate::journal::runs::RunLock;
use crate::model::ids::{AttemptNumber, RunId, TaskNumber, TaskVariant, VariantNumber};

/// The first reserved port. Well-known services are below, and the last reserved port is below those
/// that systems use for outgoing connections (32768 on Linux, 49152 elsewhere).
const FIRST: u16 = 20_000;

/// The number of ports of an attempt.
const EACH: u16 = 10;

/// The number of attempts that can have ports of their own at a time.
const SLOTS: u16 = 1_000;

/// The owner of a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Claim {
    slot: u16,
    run: String,
    task: u32,
    attempt: AttemptNumber,
    /// The variant of the task; 0 without variants.
    variant: VariantNumber,
}

/// Reserves ports for an attempt until [`release`], and returns the first one.
pub fn claim(context: &Context, of: TaskVariant, attempt: AttemptNumber) -> u16 {
    let start = first_slot(&context.repo.common);
    let wanted = Claim {
        slot: start,
        run: context.run.to_string(),
        task: of.task.0,
        attempt,
        variant: of.variant.unwrap_or_default(),
    };
    let is_driven = |run: &str| RunLock::is_held(&context.repo, &RunId::new(run));
    let slot = change(&context.repo.dispatch_folder(), |claims| {
        take(claims, &wanted, is_driven)
    });
    FIRST + slot.unwrap_or(start) * EACH
}

/// Releases the attempt's ports.
pub fn release(context: &Context, task: TaskNumber, attempt: AttemptNumber) {
    let is_this = |claim: &Claim| {
        claim.run == context.run.as_str() && claim.task == task.0 && claim.attempt == attempt
    };
    // A claim that stays behind is reused by the task's next attempt, or when all are taken.
    let _ = change(&context.repo.dispatch_folder(), |claims| {
        claims.retain(|claim| !is_this(claim));
    });
}

/// Returns the slot where the search begins: a different one for every repository, so that two of
/// them rarely collide.
fn first_slot(repository: &Path) -> u16 {
    let name = repository.as_os_str().as_encoded_bytes().iter();
    let sum = name.fold(7u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(*byte))
    });
    (sum % u32::from(SLOTS)) as u16
}

fn take(claims: &mut Vec<Claim>, wanted: &Claim, is_driven: impl Fn(&str) -> bool) -> u16 {
    // Variants run side by side; the attempts at one of them run one after the other.
    let key = |claim: &Claim| (claim.task, claim.variant);
    let is_same = |claim: &&mut Claim| claim.run == wanted.run && key(claim) == key(wanted);
    if let Some(known) = claims.iter_mut().find(is_same) {
        known.attempt = wanted.attempt;
        return known.slot;
    }
    if claims.len() >= usize::from(SLOTS) {
        claims.retain(|claim| is_driven(&claim.run));
    }
    let is_free = |slot: &u16| !claims.iter().any(|claim| claim.slot == *slot);
    let mut slots = (0..SLOTS).map(|place| (wanted.slot + place) % SLOTS);
    let slot = slots.find(is_free).unwrap_or(wanted.slot);
    claims.push(Claim {
        slot,
        ..wanted.clone()
    });
    slot
}

fn change<T>(folder: &Path, act: impl FnOnce(&mut Vec<Claim>) -> T) -> io::Result<T> {
    let lock = FileLock::wait(&folder.join("ports"))?;
    let file = lock.file();
    let mut file = &*file;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let mut claims: Vec<Claim> = text.lines().filter_map(parse).collect();
    let before = claims.clone();
    let result = act(&mut claims);
    if claims != before {
        let lines: String = claims.iter().map(render).collect();
        replace(file, &lines)?;
    }
    Ok(result)
}

/// Writes the claims in place: they need not survive a power loss, as no attempt does, and a line
/// that was cut off is ignored.
fn replace(mut file: &File, text: &str) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())?;
    file.set_len(text.len() as u64)
}

fn render(claim: &Claim) -> String {
    let Claim {
        slot,
        run,
        task,
        attempt,
        variant,
    } = claim;
    format!("{slot} {run} {task} {attempt} {variant}\n")
}

fn parse(line: &str) -> Option<Claim> {
    let mut words = line.split(' ');
    Some(Claim {
        slot: words.next()?.parse().ok()?,
        run: words.next()?.to_owned(),
        task: words.next()?.parse().ok()?,
        attempt: words.next()?.parse().ok()?,
        // Earlier versions wrote no variant.
        variant: words.next().map_or(Some(0), |word| word.parse().ok())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(run: &str, task: u32, attempt: u32) -> Claim {
        Claim {
            slot: 998,
            run: run.to_owned(),
            task,
            attempt,
            variant: 0,
        }
    }

    #[test]
    fn attempts_under_way_have_ports_of_their_own_and_a_task_keeps_its() {
        let mut claims = Vec::new();
        let mut take = |wanted: &Claim| super::take(&mut claims, wanted, |_| true);
        let first = wanted("a", 1, 1);
        let slots = [
            take(&first),
            take(&wanted("a", 2, 1)),
            take(&wanted("b", 1, 1)),
            take(&first),
            take(&wanted("a", 1, 2)),
        ];
        assert_eq!(slots, [998, 999, 0, 998, 998]);
        let text: String = claims.iter().map(render).collect();
        assert_eq!(text, "998 a 1 2 0\n999 a 2 1 0\n0 b 1 1 0\n");
        let read: Vec<Claim> = text.lines().filter_map(parse).collect();
        assert_eq!(read, claims);
        assert_eq!(parse("no claim"), None);
        assert_eq!(parse("998 a 1 2"), Some(wanted("a", 1, 2)));
    }

    #[test]
    fn variants_side_by_side_have_ports_of_their_own_and_each_keeps_its() {
        let mut claims = Vec::new();
        let mut take = |variant, attempt| {
            let variant = Claim {
                variant,
                ..wanted("a", 1, attempt)
            };
            super::take(&mut claims, &variant, |_| true)
        };
        let slots = [take(1, 1), take(2, 2), take(3, 3), take(2, 4)];
        assert_eq!(slots, [998, 999, 0, 999]);
    }

    #[test]
    fn when_all_are_given_out_those_of_runs_that_nobody_drives_are_free() {
        let dead = (0..SLOTS).map(|slot| Claim {
            slot,
            ..wanted(if slot == 5 { "alive" } else { "dead" }, u32::from(slot), 1)
        });
        let mut claims: Vec<Claim> = dead.collect();
        let slot = take(&mut claims, &wanted("new", 1, 1), |run| run == "alive");
        assert_eq!((slot, claims.len()), (998, 2));
    }
}
