import type { VersionOrigin } from './version-lineage.js'

/**
 * A POSIX shell script that makes a version again from a checkout of Firn and ends as `firn reproduce` does. It holds no
 * secrets and no settings of the lake; it says which ones it takes.
 */
export function reproduceScript({ uri, pin, trained }: VersionOrigin): string {
  const { backend, codeVersion } = trained.environment
  const commit = codeVersion?.replace(/-dirty$/, '') ?? ''
  const wasDirty = codeVersion?.endsWith('-dirty') === true
  const tensorflow = backend === 'tfjs' || backend === 'tfjs-node' ? backend : ''
  return `#!/bin/sh
# Makes a version of a model again and compares data, weights and metrics with what was registered:
#   sh reproduce.sh [folder of a checkout of Firn, default: this one]
# Prints the verdict as JSON; ends with 0 where all parts are identical.
# Settings: FIRN_HOME (folder of the lake) and what else reaches it: FIRN_WAREHOUSE, FIRN_CATALOG_*, FIRN_S3_*, AWS_*,
# FIRN_PIPELINES where the pipeline is not one of Firn's own.
uri=${quote(uri)}
pipeline=${quote(pin.pipeline)}
commit=${quote(commit)}
was_dirty=${wasDirty ? 'yes' : 'no'}
tensorflow=${quote(tensorflow)}

say() { printf '%s\\n' "reproduce.sh: $1" >&2; }

home=\${FIRN_HOME:-.firn}
case $home in /*) ;; *) home=$PWD/$home ;; esac
if [ ! -d "$home" ]; then
  say "there is no lake in $home: set FIRN_HOME to the folder that holds registry.db"
  exit 2
fi
FIRN_HOME=$home
export FIRN_HOME

cd -- "\${1:-.}" || exit 2
if [ ! -f bin/firn.mjs ]; then
  say "$PWD is no checkout of Firn: name the folder of one, at commit \${commit:-that is not known}"
  exit 2
fi

now=$(git rev-parse HEAD 2>/dev/null)
if [ -z "$commit" ]; then
  say "the code that trained $uri was not recorded; trying with what is here"
elif [ "$now" != "$commit" ]; then
  say "warning: $uri was trained by commit $commit, this is \${now:-no repository}; \\\`git checkout $commit\\\` first if the verdict differs"
fi
if [ "$was_dirty" = yes ]; then
  say "warning: the code that trained $uri had changes that were not committed"
fi
if [ -n "$(git status --porcelain --untracked-files=no 2>/dev/null)" ]; then
  say "warning: this checkout has changes that are not committed"
fi
if [ -n "$tensorflow" ] && [ -z "$FIRN_TF_BACKEND" ]; then
  FIRN_TF_BACKEND=$tensorflow
  export FIRN_TF_BACKEND
fi

say "lake $FIRN_HOME, pipeline $pipeline, $uri"
node scripts/setup.mjs >&2 || exit
node bin/firn.mjs reproduce "$uri" --json
exit
`
}

/** One word of a shell, whatever the text. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
