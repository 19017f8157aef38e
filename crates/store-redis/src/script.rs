use std::sync::LazyLock;

use redis::{Cmd, RedisWrite, ToRedisArgs};

/// A script that works on one key.
#[derive(Debug)]
pub(crate) struct Script {
    code: &'static str,
    hash: String,
}

macro_rules! scripts {
    ($($name:ident: $($file:literal)+;)*) => {$(
        pub(crate) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));
    )*};
}

scripts! {
    ADOPT: "lua/head.lua" "lua/settle.lua" "lua/adopt.lua";
    BEGIN: "lua/begin.lua" "lua/head.lua" "lua/begin_found.lua";
    COMPLETE: "lua/complete.lua" "lua/head.lua" "lua/settle.lua" "lua/complete_found.lua";
    LOOK: "lua/head.lua" "lua/look.lua";
    RELEASE: "lua/head.lua" "lua/settle.lua" "lua/release.lua";
    RENEW: "lua/head.lua" "lua/renew.lua";
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self {
            code,
            hash: redis::Script::new(code).get_hash().to_owned(),
        }
    }

    /// What a server that knows the script is sent.
    pub(crate) fn by_hash(&self, key: &[u8], args: &[Arg<'_>]) -> Cmd {
        command("EVALSHA", &self.hash, key, args)
    }

    /// What one is sent that does not: after a restart, a failover, or the move of a slot.
    pub(crate) fn whole(&self, key: &[u8], args: &[Arg<'_>]) -> Cmd {
        command("EVAL", self.code, key, args)
    }
}

fn command(name: &str, script: &str, key: &[u8], args: &[Arg<'_>]) -> Cmd {
    let size: usize = args.iter().map(Arg::size).sum();
    let mut command = Cmd::with_capacity(
        args.len() + 4,
        size + name.len() + script.len() + key.len() + 1,
    );
    command.arg(name).arg(script).arg(1).arg(key);
    for arg in args {
        command.arg(arg);
    }
    command
}

/// An argument of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arg<'a> {
    Bytes(&'a [u8]),
    Flag(bool),
    Number(u64),
}

impl Arg<'_> {
    const fn size(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Flag(_) => 1,
            Self::Number(_) => 20,
        }
    }
}

impl ToRedisArgs for Arg<'_> {
    fn write_redis_args<W>(&self, out: &mut W)
    where
        W: ?Sized + RedisWrite,
    {
        match self {
            Self::Bytes(bytes) => out.write_arg(bytes),
            Self::Flag(flag) => out.write_arg(if *flag { b"1" } else { b"0" }),
            Self::Number(number) => number.write_redis_args(out),
        }
    }
}

impl redis::ToSingleRedisArg for Arg<'_> {}
