//! A program that does what its stdin says, line by line.

use std::io::BufRead;

use longshore_testee::Terminals;

use crate::args::Args;
use crate::failure::{Failure, What};
use crate::resources;
use crate::streams::{say, terminals};

pub(crate) fn serve(args: &mut Args) -> Result<u8, Failure> {
    args.finish()?;
    let mut memory = Vec::new();
    say("ready\n")?;
    for line in std::io::stdin().lock().lines() {
        let line = line.what("read stdin")?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let number = || {
            let parsed = rest.parse::<u64>();
            parsed.map_err(|_| Failure::usage(format!("serve: {line:?} needs a number")))
        };
        match word {
            "out" => say(&format!("{rest}\n"))?,
            "err" => eprintln!("{rest}"),
            "size" => {
                let (rows, columns) = match terminals() {
                    Terminals { rows: Some(rows), columns: Some(columns), .. } => (rows, columns),
                    _ => (0, 0),
                };
                say(&format!("size {rows} {columns}\n"))?;
            }
            "pid" => say(&format!("{}\n", std::process::id()))?,
            "burn" => {
                resources::burn_for(number()?);
                say("burnt\n")?;
            }
            "alloc" => {
                memory.push(resources::touched(number()?)?);
                say("allocated\n")?;
            }
            "exit" => {
                let code = u8::try_from(number()?);
                return code.map_err(|_| Failure::usage(format!("serve: {line:?} is no code")));
            }
            _ => return Err(Failure::usage(format!("serve: unknown line {line:?}"))),
        }
    }
    Ok(0)
}
