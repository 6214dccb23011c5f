/*
 * The reference count of internal/sys/descriptor.go and its bias, bias_linux.go,
 * with the same names and steps. README.md says what is left out. ./run checks
 * everything.
 *
 * N equal goroutines call, close, share, release, take and pin, in any order and
 * as often as they like. Each may become the owner of the bias. -DVARIANT= makes
 * one change, and run says whether the variant must fail.
 */

/* The bias. */
#define NO_BARRIER          1  /* V2 is missing */
#define NO_O3               2  /* the bias is not read again after busy is set */
#define NO_O4_FLAGS         3  /* O4 loads the number, but does not look at the flags */
#define LATE_BUSY           4  /* busy is set after the bias and the state are read */
#define EARLY_IDLE          5  /* busy is cleared before the call ends, as by a store without release */
#define KEPT_BUSY           6  /* busy stays set if the owner takes the slow path */
#define ONE_BUSY            7  /* one busy for all owners, instead of one each */
#define STORED_BIAS         8  /* V1 is a load and a store, instead of a compare-and-swap */
#define EARLY_NIL           9  /* V1 stores nil, so there is no evicting state */
#define EARLY_STATE        10  /* O4 may load the state before everything else in the call */
#define UNCOUNTED_PROMOTE  11  /* promote evicts without a reference */
#define BIAS_OUTLIVES      12  /* promote does not look at the state again */
#define BIAS_UNREGISTERED  13  /* a bias is granted before the process is registered */

/* The count. */
#define CHECK_THEN_ADD     14  /* incref looks at the state before the addition */
#define LAST_AT_ONE        15  /* the decref that leaves one reference closes the number */
#define EVERY_LAST_CLOSES  16  /* a decref that leaves none closes it without the compare-and-swap */
#define UNCOUNTED_CLOSE    17  /* StartClose takes no reference */
#define CLOSE_UNEVICTED    18  /* StartClose does not evict */
#define KEPT_KIND          19  /* a new life begins with the kind of the old one */
#define WAKE_LATE          20  /* the waiters are woken after the word is cleared */

/* Stopping. */
#define STOP_UNEVICTED     21  /* stop does not evict */
#define STOP_ADMITS        22  /* incref does not look at stopped */
#define STOP_UNCOUNTED     23  /* stop takes no reference */
#define STOP_SPINS         24  /* incref tries again and again, instead of waiting for mu */
#define SHARE_UNDRAINED    25  /* Share does not wait for the calls in flight */
#define SHARE_TWICE        26  /* Share stops, resumes, and makes its change under a second reference */
#define SHARE_LOOKS_FIRST  27  /* Share looks at fast before it has a reference */
#define SHARE_DRAINS_PINS  28  /* Share waits for pins too */
#define SHARE_DRAINS_CLOSE 29  /* Share waits for the reference of Close too */
#define SHARE_OVER_CLOSE   30  /* Share makes its change even if Close came during the drain */
#define RELEASE_UNDRAINED  31  /* Release does not wait for the calls in flight */
#define RELEASE_DRAINS_ALL 32  /* Release waits for the caller's own pin too, without limit */
#define RELEASE_OVER_CLOSE 33  /* Release does not notice a Close during its drain */
#define CLEAR_TO_ZERO      34  /* FinishRelease stores 0, also over the references of failing calls */
#define CLEAR_ONE          35  /* FinishRelease forgets the caller's own pin */

/* Take. */
#define RESERVE_UNCHECKED  36  /* Reserve does not look at reserved */
#define SOURCE_FIRST       37  /* Take closes the source before it reserves the destination */
#define KEPT_RESERVED      38  /* a Take that fails leaves the destination reserved */
#define MOVE_ALL           39  /* FinishRelease moves the references of failing calls too */

#ifndef VARIANT
#define VARIANT 0
#endif
#define is(variant)           (VARIANT == variant)
#define only(variant, step)   if :: is(variant) -> step :: else fi
#define unless(variant, step) if :: is(variant) :: else -> step fi

#ifndef N
#define N 2                   /* goroutines */
#endif
#ifndef D
#define D 1                   /* Descriptors: Take moves the number between two */
#endif
#ifndef BIAS
#define BIAS 1                /* there are biased calls */
#endif
#ifndef HANDOVER
#define HANDOVER 1            /* 0: one goroutine alone ever becomes the owner */
#endif
#ifndef CLOSE
#define CLOSE 1               /* Close is called */
#endif
#ifndef SHARE
#define SHARE 1               /* Share and SetNonblock are called */
#endif
#ifndef RELEASE
#define RELEASE 1             /* Release is called */
#endif
#ifndef REUSE
#define REUSE 1               /* the closed Descriptor takes another number, once */
#endif
#ifndef PIN
#define PIN 0                 /* Pin is called */
#endif
#ifndef KIND
#define KIND (D == 1 && REUSE && !BIAS) /* these learn the kind */
#endif
#ifndef PLAIN
#define PLAIN 1               /* some calls tell the scheduler from the start */
#endif
#ifndef OWN
#define OWN 0                 /* Release and Take may be called with a pin of the caller's own */
#endif
#ifndef LIFE
#define LIFE 0                /* calls may belong to a life */
#endif
#ifndef TIRELESS
#define TIRELESS 1            /* 0: a goroutine that found the Descriptor closed makes no more calls */
#endif
#ifndef STALE_LOADS
#define STALE_LOADS 0         /* the owner's loads may be satisfied early: weaker than TSO */
#endif
#ifndef REFUSED
#define REFUSED 0             /* the kernel refuses membarrier: the world is stopped instead */
#endif

/* Three goroutines that do everything are too many states. If N is 3, goroutine 0
 * alone shares, releases and takes, and it makes no calls then. With two
 * Descriptors, it alone calls and closes, and does nothing else. */
#define calling    (N == 2 || (D > 1 -> me == 0 : me != 0 || !(SHARE || RELEASE || REUSE)))
#define closing    (N == 2 || D == 1 || me == 0)
#define taking     (N == 2 || (D > 1 -> me != 0 : me == 0))
#define officiates (N == 2 || me == 0)

/* ---- The Descriptor ---- */

#define OPEN      1
#define CLOSING   2
#define STOPPED   4
#define FAST      8
#define RESERVED  16
#define NUMBER    32           /* 0: the first number, 1: the second */
#define REFERENCE 64           /* and up */

#define open(w)       ((w & (OPEN|CLOSING)) == OPEN)
#define usable(w)     ((w & (OPEN|CLOSING|STOPPED)) == OPEN || is(STOP_ADMITS) && open(w))
#define fast(w)       ((w / FAST) & 1)
#define number(w)     ((w / NUMBER) & 1)
#define references(w) (w / REFERENCE)

#define NIL      N
#define EVICTING (N + 1)

short state[D];
byte bias = NIL;              /* of Descriptor 0 */
bit  busy[N];                 /* by owner: the value in memory, see Memory */
bit  mu[D];
byte pins[D];
byte kind[D];                 /* 0: unknown, else 1 and the number */
bit  registered;

/* ---- The world, which the Descriptor does not see ---- */

bool ours[2];                 /* a number that was closed or released is reused at once, elsewhere */
bool blocking[2];             /* the mode of the number's open file description */
byte calls[2];                /* calls in the kernel, by number */
byte fastCalls[2];            /* those that the scheduler does not know of */
bool owns[D];                 /* whether the Descriptor owns a number, to every observer */
bool unwoken[D];              /* waiters of the life that has ended are still parked */
bool waits[N];                /* the goroutine has set closing or stopped, and is not done yet */
byte running = N;
bool reused = !REUSE;
byte lives[D] = 1;
bool ending[2];               /* a Close has announced the end of the number */
byte first = NIL;             /* the first owner, without hand-over */
bit  kernel;                  /* membarrier is a barrier */
bool inside[N];               /* the goroutine is in the assembly routine */

inline beginCall(n, isFast) {
	d_step {
		assert(ours[n]);
		assert(!isFast || !blocking[n]);
		calls[n]++;
		fastCalls[n] = fastCalls[n] + isFast
	}
}

inline endCall(n, isFast) {
	d_step { calls[n]--; fastCalls[n] = fastCalls[n] - isFast }
}

inline giveAway(n) {          /* by close(2), or by Release to its caller */
	d_step {
		assert(ours[n]);      /* not a second time */
		assert(calls[n] == 0);
		ours[n] = false
	}
}

/* ---- Memory ---- */

/* An owner's stores to busy are plain: they wait in the store buffer of its
 * processor, which drains in its own time. Every other access is atomic, and
 * one that writes waits for the buffer of its own processor first. No goroutine
 * loads a busy that may still be in its own buffer. */

#define busyOf(g) (is(ONE_BUSY) -> 0 : g)

chan buffer[N] = [2] of { bit };
bool fenced[N];               /* a membarrier has hit since the goroutine began its call */

#define store(value)  buffer[me]!value
#define locked(steps) d_step { empty(buffer[me]); steps }

proctype StoreBuffer(byte cpu) {
end:
	do
	:: buffer[cpu]?busy[busyOf(cpu)]
	od
}

/* The process registers in the background. Before that, a membarrier is none. */
proctype Registration() {
	kernel = 1;
	registered = 1
}

inline drainBuffer() {
	do
	:: nempty(buffer[cpu]) -> buffer[cpu]?busy[busyOf(cpu)]
	:: empty(buffer[cpu])  -> break
	od;
	fenced[cpu] = STALE_LOADS
}

inline membarrier() {         /* one processor after the other, not all at once */
	cpu = 0;
	do
	:: cpu == N || !kernel -> break
	:: atomic { cpu < N && kernel -> drainBuffer(); cpu++ }
	od;
	cpu = 0
}

inline stopTheWorld() {       /* no goroutine stops in the assembly routine */
	atomic {
		!inside[0] && !inside[1] && !inside[N - 1] ->
			cpu = 0;
			do
			:: cpu == N -> break
			:: cpu < N -> drainBuffer(); cpu++
			od;
			cpu = 0
	}
}

/* ---- The owner's calls ---- */

/* If the barrier V2 hits a call before O3, O3 sees that the bias is gone. If it
 * hits later, V3 sees busy. A goroutine that becomes the owner after closing or
 * stopped was set has seen that, and sees it again in O4. */
inline biasedCall() {
	d_step { done = false; fenced[me] = false; inside[me] = REFUSED; w = (STALE_LOADS || is(EARLY_STATE) -> state[0] : 0) };
	if
	:: bias == me ->                                                       /* O1 */
		unless(LATE_BUSY, store(1));                                       /* O2, for V3 */
		if
		:: bias == me || is(NO_O3) || STALE_LOADS && !fenced[me] ->        /* O3, of V1 */
			if
			:: w = state[0]                                                /* O4, of closing and stopped */
			:: STALE_LOADS && !fenced[me] || is(EARLY_STATE)
			fi;
			only(LATE_BUSY, store(1));
			if
			:: (w & (OPEN|FAST|CLOSING|STOPPED)) == (OPEN|FAST) || is(NO_O4_FLAGS) ->
				assert(!life || life == lives[0]);
				beginCall(number(w), 1);                                   /* O5 */
				only(EARLY_IDLE, store(0));
				endCall(number(w), 1);
				done = true
			:: else
			fi
		:: else
		fi;
		if
		:: done && is(EARLY_IDLE) || !done && is(KEPT_BUSY)
		:: else -> store(0)                                                /* O6, for V3 */
		fi
	:: else
	fi;
	d_step { inside[me] = false; w = 0; done = false }
}

/* evict makes heir the owner, which may be NIL. The caller has a reference until
 * this is over. So a goroutine that finds another one evicting need not wait:
 * until that one drops its reference, the number is neither closed nor drained. */
inline evict(heir) {
	only(STORED_BIAS, last = bias; locked(bias = EVICTING));
	unless(STORED_BIAS, locked(                                            /* V1, for O3 */
		last = bias;
		if
		:: last == NIL || last == EVICTING
		:: last == me -> bias = NIL
		:: else       -> bias = (is(EARLY_NIL) -> NIL : EVICTING)
		fi
	));
	if
	:: last == NIL || last == EVICTING || last == me
	:: else ->
		if                                                                 /* V2 */
		:: is(NO_BARRIER)
		:: !is(NO_BARRIER) && !REFUSED -> membarrier()
		:: !is(NO_BARRIER) && REFUSED  -> stopTheWorld()
		fi;
		!busy[busyOf(last)];                                               /* V3, of O2 and O6 */
		locked(bias = (is(EARLY_NIL) -> bias : heir))                      /* V4 */
	fi;
	last = 0
}

inline promote() {            /* by a goroutine with a reference */
	if
	:: bias == NIL && (registered || is(BIAS_UNREGISTERED)) ->
		locked(
			if
			:: bias == NIL && (HANDOVER || first == NIL || first == me) ->
				bias = me;
				first = (HANDOVER -> NIL : me)
			:: else
			fi
		)
	:: bias < N && bias != me && HANDOVER ->
		only(UNCOUNTED_PROMOTE, locked(state[0] = state[0] - REFERENCE));
		evict(me);
		only(UNCOUNTED_PROMOTE, locked(state[0] = state[0] + REFERENCE))
	:: else
	fi;
	if                        /* no bias outlives its life */
	:: !is(BIAS_OUTLIVES) && bias == me && (state[0] & (CLOSING|STOPPED)) ->
		locked(bias = (bias == me -> NIL : bias))
	:: else
	fi
}

/* ---- References ---- */

inline add(d) {               /* w is the state; a failure must be true */
	locked(
		state[d] = state[d] + REFERENCE;
		w = state[d];
		assert(open(w) || !owns[d])
	)
}

inline lock(d)   { atomic { !mu[d] -> mu[d] = 1 } }
inline unlock(d) { mu[d] = 0 }

inline incref(d) {            /* w is the state, 0 if the Descriptor is closed */
	only(CHECK_THEN_ADD, w = state[d]; locked(state[d] = state[d] + REFERENCE));
	unless(CHECK_THEN_ADD, add(d));
	if
	:: usable(w)
	:: else ->
		decref(d);
		if
		:: open(w) ->
			if
			:: is(STOP_SPINS) ->
				do
				:: add(d);
					if
					:: open(w) && (w & STOPPED) -> decref(d)
					:: else -> break
					fi
				od
			:: else -> lock(d); add(d); unlock(d)
			fi;
			assert(!(w & STOPPED) || is(STOP_SPINS));
			if
			:: open(w)
			:: else -> decref(d); w = 0
			fi
		:: else -> w = 0
		fi;
		refused = !w
	fi
}

inline decref(d) {
	locked(
		assert(references(state[d]) > 0);
		state[d] = state[d] - REFERENCE;
		left = state[d]
	);
	if
	:: (left & CLOSING) && references(left) <= (is(LAST_AT_ONE) -> 1 : 0) ->
		locked(won = (state[d] == left || is(EVERY_LAST_CLOSES)); state[d] = (won -> 0 : state[d]));
		if
		:: won  -> giveAway(number(left))
		:: else
		fi
	:: else
	fi;
	left = 0; won = false
}

/* ---- Calls ---- */

inline fastCall() {           /* with the reference count; done says whether it was made */
	add(0);
	done = usable(w) && fast(w) && (!life || life == lives[0]);
	if
	:: done ->
		beginCall(number(w), 1);
		endCall(number(w), 1);
		if
		:: BIAS -> promote()
		:: true
		fi
	:: else
	fi;
	decref(0);
	w = 0
}

inline plainCall(d) {         /* tells the scheduler, or never blocks */
	incref(d);
	if
	:: w && life && life != lives[d] -> decref(d)
	:: w && (!life || life == lives[d]) ->
		if
		:: KIND && kind[d] == 0 -> kind[d] = 1 + number(w)
		:: KIND && kind[d] != 0 -> assert(kind[d] == 1 + number(w))
		:: !KIND
		fi;
		beginCall(number(w), 0);
		endCall(number(w), 0);
		if
		:: BIAS -> promote()
		:: true
		fi;
		decref(d)
	:: else
	fi;
	w = 0
}

inline pin(d) {
	incref(d);
	if
	:: w    -> pins[d]++; pinned = true
	:: else
	fi;
	w = 0
}

inline unpin(d) {
	pins[d]--;
	decref(d);
	pinned = false
}

/* ---- Close, Share, Release, Take ---- */

inline wake(d) {              /* may have to wait for a call that waits for mu */
	if
	:: SHARE && !BIAS -> lock(d); unlock(d)
	:: true
	fi;
	unwoken[d] = false
}

inline close(d) {
	locked(
		done = open(state[d]);
		if
		:: done ->
			state[d] = (state[d] | CLOSING) + (is(UNCOUNTED_CLOSE) -> 0 : REFERENCE);
			owns[d] = false; unwoken[d] = true; waits[me] = true; ending[number(state[d])] = true
		:: else
		fi
	);
	if
	:: done ->
		if
		:: BIAS && !is(CLOSE_UNEVICTED) -> evict(NIL)
		:: else
		fi;
		unless(WAKE_LATE, wake(d));
		only(UNCOUNTED_CLOSE, locked(state[d] = state[d] + REFERENCE));
		decref(d);
		only(WAKE_LATE, unwoken[d] = false);
		waits[me] = false
	:: else
	fi;
	done = false
}

/* The drain does not wait for the reference of Close. If that is gone already, it
 * waits for one too few, but then it fails. */
#define closer(w, variant) ((w & CLOSING) && !(variant && is(variant)) -> 1 : 0)

#define drained(d, w) (references(w) <= \
	(is(STOP_UNCOUNTED) -> 0 : 1) + (is(SHARE_DRAINS_PINS) -> 0 : pins[d]) + closer(w, SHARE_DRAINS_CLOSE))

inline change(n) {            /* another process may set blocking mode from now on */
	d_step { assert(ours[n]); assert(fastCalls[n] == 0); blocking[n] = true }
}

inline stop(d) {              /* with mu and a reference; done says whether it succeeded */
	locked(
		done = open(state[d]);
		if
		:: done -> state[d] = (state[d] | STOPPED) - (is(STOP_UNCOUNTED) -> REFERENCE : 0); waits[me] = true
		:: else
		fi
	);
	if
	:: done && BIAS && !is(STOP_UNEVICTED) -> evict(NIL)
	:: else
	fi
}

inline share(d) {
	lock(d);
	w = (is(SHARE_LOOKS_FIRST) -> state[d] : FAST);
	done = fast(w);
	add(d);                   /* not stopped: mu is held */
	if
	:: !open(w) -> refused = true
	:: open(w) && !(fast(w) && done) -> change(number(w))
	:: open(w) && fast(w) && done ->
		stop(d);
		if
		:: done -> drainAndShare(d)
		:: else
		fi
	fi;
	unlock(d);
	decref(d);                /* without mu, because it may close the number */
	w = 0; done = false
}

inline drainAndShare(d) {
	if
	:: PIN && !is(SHARE_DRAINS_PINS) -> /* the count of pins is looked at after the state */
		do
		:: left = state[d];
			if
			:: drained(d, left) -> break
			:: else
			fi
		od;
		left = 0
	:: else -> is(SHARE_UNDRAINED) || drained(d, state[d])
	fi;
	if
	:: is(SHARE_TWICE) ->
		locked(state[d] = state[d] & ~(STOPPED|FAST));
		decref(d);
		add(d);
		if
		:: open(w) -> change(number(w))
		:: else
		fi
	:: else ->
		if
		:: open(state[d]) || is(SHARE_OVER_CLOSE) ->
			change(number(w));
			locked(state[d] = state[d] & ~FAST)
		:: else
		fi;
		locked(state[d] = state[d] & ~STOPPED)
	fi;
	only(STOP_UNCOUNTED, locked(state[d] = state[d] + REFERENCE));
	waits[me] = false
}

/* startRelease: done says whether it succeeded. The limit of the drain may be
 * reached at any time. */
inline startRelease(d, own) {
	lock(d);
	add(d);                   /* not stopped: mu is held */
	done = false;
	if
	:: open(w) -> stop(d)
	:: else    -> refused = true
	fi;
	if
	:: done ->
		if
		:: is(RELEASE_DRAINS_ALL) -> references(state[d]) <= 1 + closer(state[d], 0)
		:: !is(RELEASE_DRAINS_ALL) && (references(state[d]) <= 1 + own + closer(state[d], 0) || is(RELEASE_UNDRAINED))
		:: !is(RELEASE_DRAINS_ALL) -> done = false
		fi;
		locked(
			w = state[d];
			done = done && (open(w) || is(RELEASE_OVER_CLOSE));
			if
			:: done ->
				state[d] = (w & ~STOPPED) | CLOSING;
				assert(calls[number(w)] == 0);
				owns[d] = is(SOURCE_FIRST); unwoken[d] = true;
				pins[d] = pins[d] - own
			:: else -> state[d] = w & ~STOPPED
			fi
		);
		only(STOP_UNCOUNTED, locked(state[d] = state[d] + REFERENCE))
	:: else
	fi;
	unlock(d);
	if
	:: done
	:: else -> decref(d); waits[me] = false
	fi;
	w = 0
}

inline clear(d, own) {
	locked(state[d] = (is(CLEAR_TO_ZERO) -> 0 : (references(state[d]) - 1 - (is(CLEAR_ONE) -> 0 : own)) * REFERENCE));
	waits[me] = false
}

inline release() {            /* takes over the caller's pin */
	startRelease(0, pinned);
	if
	:: done ->
		unless(WAKE_LATE, unwoken[0] = false);
		w = state[0];
		clear(0, pinned);
		pinned = false;
		assert(!ending[number(w)]);
		giveAway(number(w));
		only(WAKE_LATE, unwoken[0] = false)
	:: else
	fi;
	w = 0; done = false
}

inline reserve(d) {           /* done says whether it succeeded */
	locked(
		done = !(state[d] & (OPEN|RESERVED)) || !(state[d] & OPEN) && is(RESERVE_UNCHECKED);
		state[d] = (done -> state[d] | RESERVED : state[d])
	)
}

inline unreserve(d) {
	unless(KEPT_RESERVED, locked(state[d] = state[d] & ~RESERVED))
}

inline fill(d, bits) {
	if :: KIND && !is(KEPT_KIND) -> kind[d] = 0 :: else fi;
	locked(
		state[d] = state[d] + (bits) - RESERVED;
		owns[d] = true; lives[d] = lives[d] + LIFE;
		assert(!unwoken[d])
	)
}

inline reuse(d) {             /* a Take from elsewhere, which may fail */
	reserve(d);
	if
	:: done ->
		if
		:: atomic { !reused -> reused = true; ours[1] = true; blocking[1] = false }; fill(d, OPEN|FAST|NUMBER)
		:: unreserve(d)
		fi
	:: else
	fi;
	done = false
}

inline take(dst, src) {
	reserve(dst);
	if
	:: done || is(SOURCE_FIRST) ->
		reserved = done;
		startRelease(src, 0);
		if
		:: done && !reserved -> reserve(dst); reserved = done; done = true
		:: else
		fi;
		if
		:: done && reserved ->
			d_step { owns[src] = false; unwoken[src] = false };
			fill(dst, state[src] & (is(MOVE_ALL) -> 32767 - CLOSING : OPEN|FAST|NUMBER));
			clear(src, 0)
		:: done && !reserved ->       /* SOURCE_FIRST opens the source again */
			locked(state[src] = (state[src] & ~CLOSING) - REFERENCE)
		:: !done && reserved -> unreserve(dst)
		:: else
		fi
	:: else
	fi;
	d_step { waits[me] = false; done = false; reserved = false }
}

/* ---- The goroutines ---- */

proctype Goroutine(byte me) {
	short w, left;
	byte last, cpu, d, to, life;
	bool done, won, reserved, refused, pinned, plain;

	do
	:: refused && !TIRELESS && !pinned -> break
	:: else ->
		refused = false;
		if
		:: D > 1 -> d = 1
		:: true  -> to = D - 1
		fi;
		if
		:: calling && BIAS              -> biasedCall()
		:: calling && D == 1            -> fastCall(); plain = true
		:: calling && PLAIN             -> plain = true
		:: CLOSE && closing && !pinned  -> close(d)
		:: officiates && SHARE          -> share(d)
		:: officiates && RELEASE && D == 1 && (OWN || !pinned) -> release()
		:: REUSE && !reused && taking   -> reuse(d)
		:: D > 1 && taking              -> take(to, d)
		:: PIN && !pinned               -> pin(d)
		:: PIN && pinned                -> unpin(d)
		:: LIFE && !life                -> life = lives[0]
		:: LIFE && life                 -> life = 0
		:: !pinned && !life             -> break
		fi;
		if
		:: plain && !done -> plainCall(d)
		:: else
		fi;
		d_step { d = 0; to = 0; plain = false; done = false }
	od;
	atomic {
		empty(buffer[me]) -> running--;
		if
		:: running == 0 ->
			/* No reference is left over, and exactly the numbers of open Descriptors are ours. */
			d = 0;
			do
			:: d < D ->
				assert(references(state[d]) == 0 && !(state[d] & (CLOSING|STOPPED|RESERVED)) && pins[d] == 0);
				assert(owns[d] == open(state[d]));
				d++
			:: d == D -> break
			od;
			assert(ours[0] == (owns[0] && number(state[0]) == 0 || owns[D-1] && number(state[D-1]) == 0));
			assert(ours[1] == (owns[0] && number(state[0]) == 1 || owns[D-1] && number(state[D-1]) == 1))
		:: else
		fi
	}
}

init {
	byte g;
	atomic {
		ours[0] = true; owns[0] = true; state[0] = OPEN|FAST;
		do
		:: g < N ->
			run Goroutine(g);
			if
			:: BIAS -> run StoreBuffer(g)
			:: else
			fi;
			g++
		:: g == N -> break
		od;
		if
		:: BIAS -> run Registration()
		:: else
		fi
	}
}

/* The goroutines are equal: a statement for one holds for each. */
ltl waiterGetsOn   { [] (waits[0] -> <> !waits[0]) }
ltl stopEnds       { [] ((state[0] & STOPPED) -> <> !(state[0] & STOPPED)) }
ltl numberIsClosed { [] ((state[0] & CLOSING) -> <> !(state[0] & CLOSING)) }
