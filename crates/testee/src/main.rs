//! One static program with a subcommand for every behaviour that a container driver must survive.

mod args;
mod ask;
mod end;
mod failure;
mod files;
mod listen;
mod resources;
mod serve;
mod streams;
mod world;

use std::process::ExitCode;

use args::Args;
use failure::Failure;

const HELP: &str = "\
usage: longshore-testee COMMAND

ends
  exit N                         ends with code N
  die SIGNAL                     dies by the signal (TERM, SIGTERM or 15); refuses as pid 1,
                                 which the kernel shields from its own signals
  sleep MS|forever
  ignore-term [MS]               prints ready, ignores SIGTERM for MS (default: for ever), exits 0
  trap-term [--exit N] [--signal S] [--delay MS]
                                 prints ready; at the signal prints caught, waits, exits N
streams
  cat [--limit N]                stdin to stdout, to its end or for N bytes
  cat-raw N                      sets its terminal raw, writes ready, then N bytes of stdin to stdout
  write [--stdout N] [--stderr N] [--rate BYTES/S] [--chunk N] [--seed S]
                                 pattern bytes to both streams in turn; no line feed is added
  say TEXT [--times N]           a line of text, as often as wanted
  close-streams MS [--exit N]    lets go of stdout and stderr, lives on for MS
  daemonize [--hold MS]          leaves a grandchild that holds stdout open for MS, exits 0
  isatty                         which streams are terminals, and the window's size
  serve                          prints ready, then does what each line on stdin says:
                                 out TEXT, err TEXT, burn MS, alloc BYTES, pid, exit N, and
                                 size: its terminal's rows and columns, 0 and 0 if it has none
resources
  burn MS [--threads N]          burns MS of processor time
  alloc BYTES [--hold MS]        takes memory and touches it
  alloc-child BYTES [--exit N]   a child takes it; prints the child's fate
  fork N [--hold MS]             how many sleeping children can be started
  fill PATH BYTES                writes a file until it is full
  touch DIR N                    makes empty files until there is no room for more
  remove PATH [--exit N]         removes a file, itself too, and exits with N
  open N                         opens files until there are no descriptors left
world
  world                          everything that its container decides, as JSON
  read PATH                      a file to stdout
  listen-unix PATH               accepts one connection, echoes it, exits 0
  listen-tcp PORT [--times N]    the same on all addresses, N connections one after the other;
                                 0 takes a free port
  listen-udp PORT                the same for one datagram
  resolve NAME                   the addresses that the resolver finds, as JSON
  ask HOST PORT TEXT             connects by TCP, sends the text, writes the answer to stdout
";

fn main() -> ExitCode {
    let code = Args::parse(lexopt::Parser::from_env()).and_then(run);
    match code {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("longshore-testee: {}", failure.text());
            ExitCode::from(failure.code())
        }
    }
}

fn run(mut args: Args) -> Result<u8, Failure> {
    match args.command.clone().as_str() {
        "help" => {
            args.finish()?;
            print!("{HELP}");
            Ok(0)
        }
        "exit" => end::exit(&mut args),
        "die" => end::die(&mut args),
        "sleep" => end::sleep(&mut args),
        "ignore-term" => end::ignore_term(&mut args),
        "trap-term" => end::trap_term(&mut args),
        "cat" => streams::cat(&mut args),
        "cat-raw" => streams::cat_raw(&mut args),
        "write" => streams::write(&mut args),
        "say" => streams::repeat(&mut args),
        "close-streams" => streams::close_streams(&mut args),
        "daemonize" => streams::daemonize(&mut args),
        "hold-streams" => streams::hold_streams(&mut args),
        "isatty" => streams::isatty(&mut args),
        "serve" => serve::serve(&mut args),
        "burn" => resources::burn(&mut args),
        "alloc" => resources::alloc(&mut args),
        "alloc-child" => resources::alloc_child(&mut args),
        "fork" => resources::fork(&mut args),
        "fill" => files::fill(&mut args),
        "touch" => files::touch(&mut args),
        "remove" => files::remove(&mut args),
        "open" => files::open(&mut args),
        "read" => files::read(&mut args),
        "world" => world::world(&mut args),
        "listen-unix" => listen::unix(&mut args),
        "listen-tcp" => listen::tcp(&mut args),
        "listen-udp" => listen::udp(&mut args),
        "resolve" => ask::resolve(&mut args),
        "ask" => ask::ask(&mut args),
        other => {
            Err(Failure::usage(format!("unknown command {other:?}; see longshore-testee help")))
        }
    }
}
