#!/bin/sh
# Lets a JD Cloud bucket announce its new objects to the relay. See --help.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
tool=curl
# shellcheck source=SCRIPTDIR/../calls.sh
. "$here/../calls.sh"

usage() {
    cat << 'END'
notification.sh: puts a rule into a bucket's notifications on JD Cloud OSS, beside the rules that are there.

  SECRET_KEY_FILE=~/jd-secret-key PATH_SECRET_FILE=/etc/mdss-relay/jd-path-secret ./notification.sh \
      --access-key-id ID --region cn-north-1 --bucket NAME --url https://relay.example/jdcloud

First it does what JD does when a rule is saved: it posts a handshake to the address and expects it back in base64. Then it
reads the rules, puts ours in, writes them all, and reads them once more. If the rules are right already, it writes nothing.

Where
  --access-key-id ID    of an account that owns the bucket; its secret key is in the file that SECRET_KEY_FILE names
  --region REGION       cn-north-1, cn-east-2, cn-south-1 …
  --bucket NAME
  --endpoint URL        of the bucket, default https://BUCKET.s3.REGION.jdcloud-oss.com

The rule
  --url URL             the relay's address; may be repeated, up to 5. The file that PATH_SECRET_FILE names holds what is
                        appended as the last segment of each, for a source with path_secret
  --id NAME             default mdss-relay: the rule of this name is ours, all others stay as they are
  --prefix, --suffix TEXT
                        only keys that begin or end with it
  --event NAME          default s3:ObjectCreated:*; may be repeated
  --first, --last       where to put the rule among rules that take the same objects: only the first that takes an object fires

Instead
  --show                print the rules
  --remove              remove our rule

  --no-handshake        for a source with jdcloud_signature, which admits only JD: only check that a server answers there
  --allow-http          accept an address that does not begin with https://
  --dry-run             print every command, run none
  --help

Exit status: 0 done, 1 a call failed or you have to decide, 2 the arguments are wrong and nothing was done.
END
}

access_key='' region='' bucket='' endpoint='' urls='' id=mdss-relay prefix='' suffix='' named_events='' place=''
way=put handshake=true allow_http=false
newline='
'

while [ $# -gt 0 ]; do
    option=$1
    shift
    case $option in
        --dry-run) dry_run=true; continue ;;
        --help | -h) usage; exit 0 ;;
        --show) way=show; continue ;;
        --remove) way=drop; continue ;;
        --first | --last) place=${option#--}; continue ;;
        --no-handshake) handshake=false; continue ;;
        --allow-http) allow_http=true; continue ;;
        --access-key-id | --region | --bucket | --endpoint | --url | --id | --prefix | --suffix | --event) ;;
        *secret*=*) mistake "${option%%=*}: a secret is never an argument; name a file in SECRET_KEY_FILE or PATH_SECRET_FILE"; continue ;;
        *secret*)
            mistake "$option: a secret is never an argument; name a file in SECRET_KEY_FILE or PATH_SECRET_FILE"
            [ $# -eq 0 ] || shift
            continue ;;
        --*=*) mistake "${option%%=*}: give the value as the next word"; continue ;;
        *) mistake "'$option': not an option"; continue ;;
    esac
    value=${1-}
    case $value in
        --*) value='' ;;
        *) [ $# -eq 0 ] || shift ;;
    esac
    case $value in
        '') mistake "$option: its value is missing"; continue ;;
        *"$newline"*) mistake "$option: more than one line"; continue ;;
    esac
    case $option in
        --access-key-id) access_key=$value ;;
        --region) region=$value ;;
        --bucket) bucket=$value ;;
        --endpoint) endpoint=${value%/} ;;
        --url) urls="$urls$value$newline" ;;
        --id) id=$value ;;
        --prefix) prefix=$value ;;
        --suffix) suffix=$value ;;
        --event) named_events="$named_events$value$newline" ;;
    esac
done

# --- the arguments -----------------------------------------------------------------------------------------------------

# name of the variable, the file it names: its only line
secret_of() {
    if [ -f "$2" ] && [ -r "$2" ]; then
        secret=$(tr -d '\r' < "$2")
        case $secret in
            '') mistake "$1: the file is empty" ;;
            *[!!-~]*) mistake "$1: the file has white space or characters other than ASCII inside" ;;
        esac
    else
        secret=''
        mistake "$1: '$2' is not a file that can be read"
    fi
}

$dry_run || curl --help all 2> /dev/null | grep -q -- --aws-sigv4 ||
    mistake 'curl: not found, or older than 7.75, and cannot sign (--aws-sigv4)'
$dry_run || command -v python3 > /dev/null 2>&1 || mistake 'python3: not found; it reads and writes the rules'
need_name --access-key-id "$access_key"
need_name --region "$region"
need_name --bucket "$bucket"
need_name --id "$id"
# "BucketName.Endpoint" (endpoint-using-rulers); jcloudcs.com in the older "PUT Bucket notification".
endpoint=${endpoint:-https://$bucket.s3.$region.jdcloud-oss.com}
need_url --endpoint "$endpoint"
secret_key='***' path_secret=''
if [ -n "${SECRET_KEY_FILE-}" ]; then
    secret_of SECRET_KEY_FILE "$SECRET_KEY_FILE"
    secret_key=$secret
elif ! $dry_run; then
    mistake 'SECRET_KEY_FILE: not set; name a file that holds the secret key and nothing else'
fi
if [ $way = put ]; then
    [ -n "$urls" ] || mistake '--url: missing'
    if [ -n "${PATH_SECRET_FILE-}" ]; then
        secret_of PATH_SECRET_FILE "$PATH_SECRET_FILE"
        path_secret=$secret
        case $path_secret in *[!0-9A-Za-z._~-]*) mistake "PATH_SECRET_FILE: the secret may hold letters, digits, '.', '_', '~' and '-' only" ;; esac
    fi
    number=0
    while IFS= read -r url; do
        [ -n "$url" ] || continue
        number=$((number + 1))
        need_url --url "$url"
        case $url in
            *[,\<\>\"\\\&\'?#]*) mistake "--url: one has ',', '?', '#', a quote or a bracket inside; a rule separates its addresses by commas, and JD signs the path" ;;
            https://*) ;;
            *) $allow_http || mistake "--url: '$url' does not begin with https://; --allow-http accepts it" ;;
        esac
    done << END
$urls
END
    [ "$number" -le 5 ] || mistake "--url: given $number times; a rule has room for 5"
    # "PUT Bucket notification": 1022 bytes.
    for limit in "$prefix" "$suffix"; do
        [ "$(printf '%s' "$limit" | LC_ALL=C wc -c)" -le 1022 ] || mistake '--prefix, --suffix: longer than 1022 bytes'
    done
    named_events=${named_events:-s3:ObjectCreated:*}
    while IFS= read -r event; do
        case $event in
            '' | 's3:ObjectCreated:*' | s3:ObjectCreated:Put | s3:ObjectCreated:Post | s3:ObjectCreated:Copy | s3:ObjectCreated:CompleteMultipartUpload) ;;
            *) mistake "--event: '$event' is not an event of new content: s3:ObjectCreated:* or one of its Put, Post, Copy, CompleteMultipartUpload" ;;
        esac
    done << END
$named_events
END
fi
stop_on_mistakes
begin

# --- the calls ---------------------------------------------------------------------------------------------------------

if $dry_run; then
    secret_key='***' path_secret=${path_secret:+***}
else
    printf '%s\n%s\n' "$secret_key" "${path_secret:-$secret_key}" | keep key # what masked() takes out
fi

# A line of curl's configuration, in its quotes.
line() { printf '%s = "%s"\n' "$1" "$(printf '%s' "$2" | sed 's/["\\]/\\&/g')"; }

# curl, with $scratch/curl as its configuration, so that no secret is an argument. The status is in $code.
call() {
    if $dry_run; then
        # shellcheck disable=SC2016 # a name to print
        say "$(shown --config - --silent --show-error --output '$SCRATCH/answer' --write-out '%{http_code}' "$@") < \$SCRATCH/curl"
        return
    fi
    # shellcheck disable=SC2154 # begin sets it
    code=$(curl --config - --silent --show-error --output "$scratch/answer" --write-out '%{http_code}' "$@" \
        < "$scratch/curl" 2> "$scratch/complaint") || masked < "$scratch/complaint" >&2
}

# method, file with the body or '', more arguments. The equals sign behind the name and the hash of the body are there because
# curl adds neither in every version (7.88 does not); S3's signature is over "notification=", and S3 wants the hash.
oss() {
    method=$1 body=$2
    shift 2
    { line url "$endpoint/?notification="; line user "$access_key:$secret_key"; } | keep curl
    if [ -z "$body" ]; then
        sum=$(sum_of < /dev/null)
    elif $dry_run; then
        # shellcheck disable=SC2016 # a name to print
        sum='$SHA256_OF_WANTED'
    else
        sum=$(sum_of < "$body")
    fi
    call --max-time 30 --aws-sigv4 "aws:amz:$region:s3" --request "$method" --header "x-amz-content-sha256: $sum" "$@"
    $dry_run || [ "$code" = 200 ] ||
        stopped "JD answered '$method ?notification' with $code, $(python3 "$here/rules.py" error "$scratch/answer" 2> /dev/null | masked)"
}

sum_of() { { sha256sum 2> /dev/null || shasum -a 256; } | cut -c 1-64; }

fetch() { # name
    oss GET ''
    if $dry_run; then say "mv \$SCRATCH/answer \$SCRATCH/$1"; else mv "$scratch/answer" "$scratch/$1"; fi
}

rules() {
    if $dry_run; then
        tool=python3
        say "$(shown "$here/rules.py" "$@")"
        tool=curl
        return
    fi
    status=0
    python3 "$here/rules.py" "$@" 2> "$scratch/complaint" || status=$?
    masked < "$scratch/complaint" >&2
}

# As JD does it ("Verify the Callback URL"). Its prose says SubscriptionConfiguration, its sample SubscriptionConfirmation; the
# relay takes both.
shake() {
    shake_text="mdss-relay handshake check $(date -u +%Y%m%dT%H%M%SZ) $$"
    { line url "$1"; line header 'x-jdcloud-message-type: SubscriptionConfirmation'; line header 'content-type: text/plain'; line data "$shake_text"; } | keep curl
    call --max-time 10
    $dry_run && return
    case $code in
        200)
            [ "$(cat "$scratch/answer")" = "$(printf '%s' "$shake_text" | base64 | tr -d '\n')" ] ||
                stopped 'the server at this address answers 200, but not with the base64 of the handshake. Is it the relay?' ;;
        000 | '') stopped 'no server answers at this address, or this machine does not trust its certificate' ;;
        401 | 403)
            hint='a wrong PATH_SECRET_FILE looks like this, and so does a source with jdcloud_signature, which admits only JD: then give --no-handshake'
            stopped "the relay refuses the handshake with $code" ;;
        *) stopped "the answer to the handshake is $code, expected 200. The relay's log says why" ;;
    esac
}

# Whether somebody is there; a source says 200 to HEAD before it asks who is there.
knock() {
    line url "$1" | keep curl
    call --max-time 10 --head
    $dry_run || [ "$code" = 200 ] || stopped "the answer to HEAD is $code, expected 200"
}

targets=''
if [ $way = put ]; then
    while IFS= read -r url; do
        [ -n "$url" ] || continue
        url=${url%/}${path_secret:+/$path_secret}
        targets="$targets$url$newline"
        host=${url#*://}
        step "callback at ${host%%/*}"
        if $handshake; then shake "$url"; else knock "$url"; fi
    done << END
$urls
END
fi

step "rules of $bucket"
fetch present.xml
if [ $way = show ]; then
    rules show "$scratch/present.xml"
    $dry_run || exit "$status"
    exit 0
fi

list() { # lines, as JSON texts
    comma=''
    while IFS= read -r item; do
        [ -n "$item" ] || continue
        printf '%s' "$comma"
        printf '%s' "$item" | json_text
        comma=', '
    done
}
if [ $way = put ]; then
    {
        printf '{"id": "%s", "place": "%s", "prefix": ' "$id" "$place"
        printf '%s' "$prefix" | json_text
        printf ', "suffix": '
        printf '%s' "$suffix" | json_text
        printf ', "events": ['
        printf '%s\n' "$named_events" | list
        printf '], "urls": ['
        printf '%s' "$targets" | list
        printf ']}\n'
    } | keep rule.json
    rules put "$scratch/present.xml" "$scratch/wanted.xml" "$scratch/rule.json"
else
    rules drop "$scratch/present.xml" "$scratch/wanted.xml" "$id"
fi
if $dry_run; then
    say '# unless that found nothing to change (status 4) or a decision for you (status 3):'
else
    case $status in
        0) ;;
        4)
            say 'nothing to change'
            exit 0 ;;
        *) stopped 'nothing was written' ;;
    esac
fi

step "write the rules of $bucket"
hint="'Topic does not exist' means that JD's own handshake did not get the right answer. Can JD reach the address from the internet? Does its certificate
come from an authority that JD trusts? Does the relay's log show a refused request? Nothing was changed"
oss PUT "$scratch/wanted.xml" --header 'Content-Type: application/xml' --data-binary "@$scratch/wanted.xml"
hint=''
fetch present.xml
rules same "$scratch/present.xml" "$scratch/wanted.xml"
if ! $dry_run; then
    [ "$status" -eq 0 ] || stopped 'the rules differ from what was just written: somebody else changes them too'
    rules show "$scratch/present.xml"
fi
