//! Our own programs for containers, as the bytes of static executables, for each processor in its own
//! words. That of placeholders waits, and ends at once when it is asked to, as process 1 too:
//!
//! ```c
//! sigset_t ends = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
//! rt_sigaction(SIGCHLD, SIG_IGN);         // whom it adopts leaves no zombie
//! rt_sigprocmask(SIG_BLOCK, ends);        // process 1 gets no signal that is neither blocked nor caught
//! do got = rt_sigtimedwait(ends); while (got == -EINTR);
//! exit_group(got < 0);
//! ```
//!
//! That of keepers ends with its input:
//!
//! ```c
//! do got = read(0, bytes, 64); while (got > 0 || got == -EINTR);
//! exit_group(got < 0);
//! ```

/// Where the file is in memory.
const BASE: u64 = 0x40_0000;
/// The heads before the code: the file's own and two of segments.
const HEADS: u64 = 64 + 2 * 56;

/// One of our programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// It holds namespaces until it is asked to end.
    Placeholder,
    /// It lives for as long as its input is open.
    Keeper,
}

/// A processor, by its name on an engine.
pub(super) struct Machine {
    /// As in `linux/amd64`.
    pub(super) name: &'static str,
    /// Its number in an executable's head.
    elf: u16,
    placeholder: &'static [&'static [u8]],
    keeper: &'static [&'static [u8]],
}

/// Those that we have a program for.
const MACHINES: [Machine; 2] = [
    Machine { name: "amd64", elf: 62, placeholder: X86_64, keeper: KEEPER_X86_64 },
    Machine { name: "arm64", elf: 183, placeholder: AARCH64, keeper: KEEPER_AARCH64 },
];

/// One instruction a line, as `llvm-mc` puts it.
#[rustfmt::skip]
const X86_64: &[&[u8]] = &[
    &[0xb8, 13, 0, 0, 0],                   //       mov eax, 13          rt_sigaction
    &[0xbf, 17, 0, 0, 0],                   //       mov edi, 17          SIGCHLD
    &[0x48, 0x8d, 0x35, 0x47, 0, 0, 0],     //       lea rsi, [rip + ignore]
    &[0x31, 0xd2],                          //       xor edx, edx
    &[0x41, 0xba, 8, 0, 0, 0],              //       mov r10d, 8          bytes of a set
    &[0x0f, 0x05],                          //       syscall
    &[0xb8, 14, 0, 0, 0],                   //       mov eax, 14          rt_sigprocmask
    &[0x31, 0xff],                          //       xor edi, edi         SIG_BLOCK
    &[0x48, 0x8d, 0x35, 0x27, 0, 0, 0],     //       lea rsi, [rip + ends]
    &[0x31, 0xd2],                          //       xor edx, edx
    &[0x0f, 0x05],                          //       syscall
    &[0xb8, 128, 0, 0, 0],                  // wait: mov eax, 128         rt_sigtimedwait
    &[0x48, 0x8d, 0x3d, 0x17, 0, 0, 0],     //       lea rdi, [rip + ends]
    &[0x31, 0xf6],                          //       xor esi, esi
    &[0x31, 0xd2],                          //       xor edx, edx         no bound
    &[0x0f, 0x05],                          //       syscall
    &[0x83, 0xf8, 0xfc],                    //       cmp eax, -4          EINTR
    &[0x74, 0xe9],                          //       je wait
    &[0xc1, 0xe8, 31],                      //       shr eax, 31          1 if it failed
    &[0x89, 0xc7],                          //       mov edi, eax
    &[0xb8, 231, 0, 0, 0],                  //       mov eax, 231         exit_group
    &[0x0f, 0x05],                          //       syscall
    &[0x07, 0x40, 0, 0, 0, 0, 0, 0],        // ends: HUP, INT, QUIT, TERM
    &[1, 0, 0, 0, 0, 0, 0, 0],              // ignore: SIG_IGN, and neither flags nor mask
    &[0; 24],
];

#[rustfmt::skip]
const AARCH64: &[&[u8]] = &[
    &[0xc8, 0x10, 0x80, 0xd2],              //       mov x8, #134         rt_sigaction
    &[0x20, 0x02, 0x80, 0xd2],              //       mov x0, #17          SIGCHLD
    &[0xc1, 0x02, 0x00, 0x10],              //       adr x1, ignore
    &[0x02, 0x00, 0x80, 0xd2],              //       mov x2, #0
    &[0x03, 0x01, 0x80, 0xd2],              //       mov x3, #8           bytes of a set
    &[0x01, 0x00, 0x00, 0xd4],              //       svc #0
    &[0xe8, 0x10, 0x80, 0xd2],              //       mov x8, #135         rt_sigprocmask
    &[0x00, 0x00, 0x80, 0xd2],              //       mov x0, #0           SIG_BLOCK
    &[0xc1, 0x01, 0x00, 0x10],              //       adr x1, ends
    &[0x02, 0x00, 0x80, 0xd2],              //       mov x2, #0
    &[0x01, 0x00, 0x00, 0xd4],              //       svc #0
    &[0x28, 0x11, 0x80, 0xd2],              // wait: mov x8, #137         rt_sigtimedwait
    &[0x40, 0x01, 0x00, 0x10],              //       adr x0, ends
    &[0x01, 0x00, 0x80, 0xd2],              //       mov x1, #0
    &[0x02, 0x00, 0x80, 0xd2],              //       mov x2, #0           no bound
    &[0x03, 0x01, 0x80, 0xd2],              //       mov x3, #8
    &[0x01, 0x00, 0x00, 0xd4],              //       svc #0
    &[0x1f, 0x10, 0x00, 0xb1],              //       cmn x0, #4           EINTR
    &[0x20, 0xff, 0xff, 0x54],              //       b.eq wait
    &[0x00, 0xfc, 0x7f, 0xd3],              //       lsr x0, x0, #63      1 if it failed
    &[0xc8, 0x0b, 0x80, 0xd2],              //       mov x8, #94          exit_group
    &[0x01, 0x00, 0x00, 0xd4],              //       svc #0
    &[0x07, 0x40, 0, 0, 0, 0, 0, 0],        // ends: HUP, INT, QUIT, TERM
    &[1, 0, 0, 0, 0, 0, 0, 0],              // ignore: SIG_IGN, and neither flags nor mask
    &[0; 24],
];

#[rustfmt::skip]
const KEEPER_X86_64: &[&[u8]] = &[
    &[0x48, 0x83, 0xec, 0x40],              //       sub rsp, 64
    &[0x31, 0xc0],                          // read: xor eax, eax         read
    &[0x31, 0xff],                          //       xor edi, edi         its input
    &[0x48, 0x89, 0xe6],                    //       mov rsi, rsp
    &[0xba, 64, 0, 0, 0],                   //       mov edx, 64
    &[0x0f, 0x05],                          //       syscall
    &[0x48, 0x85, 0xc0],                    //       test rax, rax
    &[0x7f, 0xed],                          //       jg read
    &[0x83, 0xf8, 0xfc],                    //       cmp eax, -4          EINTR
    &[0x74, 0xe8],                          //       je read
    &[0xc1, 0xe8, 31],                      //       shr eax, 31          1 if it failed
    &[0x89, 0xc7],                          //       mov edi, eax
    &[0xb8, 231, 0, 0, 0],                  //       mov eax, 231         exit_group
    &[0x0f, 0x05],                          //       syscall
];

#[rustfmt::skip]
const KEEPER_AARCH64: &[&[u8]] = &[
    &[0xff, 0x03, 0x01, 0xd1],              //       sub sp, sp, #64
    &[0xe8, 0x07, 0x80, 0xd2],              // read: mov x8, #63          read
    &[0x00, 0x00, 0x80, 0xd2],              //       mov x0, #0           its input
    &[0xe1, 0x03, 0x00, 0x91],              //       mov x1, sp
    &[0x02, 0x08, 0x80, 0xd2],              //       mov x2, #64
    &[0x01, 0x00, 0x00, 0xd4],              //       svc #0
    &[0x1f, 0x00, 0x00, 0xf1],              //       cmp x0, #0
    &[0x4c, 0xff, 0xff, 0x54],              //       b.gt read
    &[0x1f, 0x10, 0x00, 0xb1],              //       cmn x0, #4           EINTR
    &[0x00, 0xff, 0xff, 0x54],              //       b.eq read
    &[0x00, 0xfc, 0x7f, 0xd3],              //       lsr x0, x0, #63      1 if it failed
    &[0xc8, 0x0b, 0x80, 0xd2],              //       mov x8, #94          exit_group
    &[0x01, 0x00, 0x00, 0xd4],              //       svc #0
];

/// Whether there are programs of ours for an engine's platform.
pub(crate) fn runs_on(platform: &str) -> bool {
    machine(platform).is_some()
}

/// The machine of an engine's platform, such as `linux/amd64`.
pub(super) fn machine(platform: &str) -> Option<&'static Machine> {
    let (os, name) = platform.split_once('/')?;
    let name = name.split('/').next()?;
    MACHINES.iter().find(|machine| os == "linux" && machine.name == name)
}

impl Machine {
    /// The executable: some four hundred bytes.
    pub(super) fn executable(&self, program: Program) -> Vec<u8> {
        let code = match program {
            Program::Placeholder => self.placeholder,
            Program::Keeper => self.keeper,
        };
        let code = code.concat();
        let size = HEADS + code.len() as u64;
        let mut file = Vec::new();
        // 64 bits, little-endian, version 1.
        file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        file.extend_from_slice(&2_u16.to_le_bytes()); // to be run where it says
        file.extend_from_slice(&self.elf.to_le_bytes());
        file.extend_from_slice(&1_u32.to_le_bytes());
        for word in [BASE + HEADS, 64, 0] {
            file.extend_from_slice(&word.to_le_bytes()); // entry, segments' heads, no sections
        }
        file.extend_from_slice(&0_u32.to_le_bytes());
        for half in [64_u16, 56, 2, 64, 0, 0] {
            file.extend_from_slice(&half.to_le_bytes());
        }
        // All of the file, to be read and run; a page of any size is at most 64 KiB.
        segment(&mut file, 1, 4 | 1, [0, BASE, BASE, size, size, 0x1_0000]);
        // The stack is not to be run.
        segment(&mut file, 0x6474_e551, 4 | 2, [0, 0, 0, 0, 0, 16]);
        file.extend_from_slice(&code);
        file
    }
}

fn segment(file: &mut Vec<u8>, kind: u32, flags: u32, words: [u64; 6]) {
    file.extend_from_slice(&kind.to_le_bytes());
    file.extend_from_slice(&flags.to_le_bytes());
    for word in words {
        file.extend_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_known_whatever_its_variant() {
        let name = |platform| machine(platform).map(|machine| machine.name);
        assert_eq!(name("linux/amd64"), Some("amd64"));
        assert_eq!(name("linux/arm64/v8"), Some("arm64"));
        for other in ["linux/riscv64", "windows/amd64", "linux", ""] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn data_is_where_the_code_looks_for_it() {
        for machine in &MACHINES {
            // The set and the action are the last that there is, each in its words of eight bytes.
            let file = machine.executable(Program::Placeholder);
            let code = machine.placeholder.concat();
            assert_eq!((file.len() as u64 - HEADS, code.len() % 8), (code.len() as u64, 0));
            let signals = 1_u64 << 14 | 0b111;
            assert_eq!(file[file.len() - 40..file.len() - 32], signals.to_le_bytes());
            for file in [file, machine.executable(Program::Keeper)] {
                assert!(file.len() < 512, "{} takes {} bytes", machine.name, file.len());
            }
        }
    }

    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    mod here {
        use std::fs;
        use std::io::Write as _;
        use std::os::unix::fs::PermissionsExt as _;
        use std::os::unix::process::ExitStatusExt as _;
        use std::process::{Child, Command, ExitStatus, Stdio};
        use std::time::{Duration, Instant};

        use rustix::process::{Pid, Signal, kill_process};

        use super::super::{Program, machine};

        struct Running {
            child: Child,
            _folder: tempfile::TempDir,
        }

        impl Running {
            fn start() -> Self {
                let running = Self::of(Program::Placeholder);
                running.until("waits", Self::is_waiting);
                running
            }

            fn of(program: Program) -> Self {
                let name = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("hold");
                let machine = machine(&format!("linux/{name}")).unwrap();
                fs::write(&path, machine.executable(program)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
                let child = Command::new(&path).stdin(Stdio::piped()).spawn().unwrap();
                Self { child, _folder: folder }
            }

            fn pid(&self) -> Pid {
                Pid::from_child(&self.child)
            }

            fn about(&self, what: &str) -> String {
                fs::read_to_string(format!("/proc/{}/{what}", self.child.id())).unwrap()
            }

            fn is_waiting(&self) -> bool {
                let number = if cfg!(target_arch = "x86_64") { "128 " } else { "137 " };
                self.about("syscall").starts_with(number)
            }

            fn ignores_its_children(&self) -> bool {
                let about = self.about("status");
                let set = about.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
                u64::from_str_radix(set, 16).unwrap() & 1 << 16 != 0
            }

            fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
                let begun = Instant::now();
                while !is(self) {
                    assert!(begun.elapsed() < Duration::from_secs(30), "it never {what}");
                    std::thread::sleep(Duration::from_millis(1));
                }
            }

            fn ended(&mut self) -> ExitStatus {
                self.child.wait().unwrap()
            }
        }

        impl Drop for Running {
            fn drop(&mut self) {
                // It may have ended.
                let _ = self.child.kill();
                let _ = self.child.wait();
            }
        }

        #[test]
        fn it_waits_and_ends_with_0_when_asked() {
            for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP] {
                let mut running = Running::start();
                assert!(running.ignores_its_children());
                kill_process(running.pid(), signal).unwrap();
                assert_eq!(running.ended().code(), Some(0), "{signal:?}");
            }
        }

        #[test]
        fn a_keeper_lives_through_what_it_reads_and_ends_with_0_when_its_input_does() {
            let mut running = Running::of(Program::Keeper);
            let mut input = running.child.stdin.take().unwrap();
            // More than it reads at a time, and in pieces.
            for piece in [1, 64, 1000] {
                input.write_all(&vec![b'x'; piece]).unwrap();
            }
            let number = if cfg!(target_arch = "x86_64") { "0 0x0 " } else { "63 0x0 " };
            running.until("reads", |it| it.about("syscall").starts_with(number));
            assert!(running.child.try_wait().unwrap().is_none());
            drop(input);
            assert_eq!(running.ended().code(), Some(0));
        }

        #[test]
        fn a_keeper_goes_on_after_it_stood_still() {
            let mut running = Running::of(Program::Keeper);
            kill_process(running.pid(), Signal::STOP).unwrap();
            running.until("stood still", |it| it.about("stat").contains(") T "));
            kill_process(running.pid(), Signal::CONT).unwrap();
            assert!(running.child.try_wait().unwrap().is_none());
            drop(running.child.stdin.take());
            assert_eq!(running.ended().code(), Some(0));
        }

        #[test]
        fn it_goes_on_after_it_stood_still_and_dies_when_killed() {
            let mut running = Running::start();
            kill_process(running.pid(), Signal::STOP).unwrap();
            running.until("stood still", |it| it.about("stat").contains(") T "));
            kill_process(running.pid(), Signal::CONT).unwrap();
            running.until("waits again", Running::is_waiting);
            kill_process(running.pid(), Signal::KILL).unwrap();
            assert_eq!(running.ended().signal(), Some(9));
        }
    }
}
