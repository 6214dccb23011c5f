/*
 * The guard of a descriptor number: its two lanes, and all that takes the
 * number away, with the steps named as in internal/sys/lane_linux.go. README.md
 * says what is left out, ./run checks everything.
 *
 * N goroutines, all alike, call, close, change the mode, release, and give the
 * closed guard another number, in any order and as often as they like. Each of
 * them may come to own the fast lane. -DTWIN= puts one flaw in, or what
 * looks like one.
 */

#define NO_BARRIER         1  /* no membarrier between taking the lane away and looking at busy */
#define NO_REREAD          2  /* owner is not read again after the mark */
#define NO_WORD_CHECK      3  /* the number is read, but not the flags beside it */
#define LATE_MARK          4  /* busy is set after owner and word are read */
#define EARLY_CLEAR        5  /* busy is cleared before the call ends, as by a store without release */
#define KEPT_MARK          6  /* busy stays set where the owner has to turn back */
#define ONE_MARK           7  /* one busy for all owners, instead of one each */
#define STORED_OWNER       8  /* owner is taken away by a load and a store, instead of a compare-and-swap */
#define CHECK_THEN_ADD     9  /* shared lane: first the flags are read, then the user is added */
#define LAST_AT_ONE       10  /* who leaves one user behind closes the number */
#define EVERY_LAST_CLOSES 11  /* who leaves none behind closes it, without winning the word */
#define UNCOUNTED_CLOSER  12  /* Close is not a user during its handshake */
#define UNCOUNTED_HEIR    13  /* nor is who takes the lane over */
#define CLOSE_UNVACATED   14  /* Close leaves the owner his lane */
#define MODE_UNVACATED    15  /* and so does SetNonblock(false) */
#define RELEASE_UNVACATED 16  /* and so does Release */
#define HASTY_MODE        17  /* SetNonblock(false) does not wait for the shared lane */
#define TWO_USES          18  /* SetNonblock(false) leaves, and enters anew to change the mode */
#define EARLY_VACANCY     19  /* the lane can be had while its last owner is still waited for */

#define EARLY_WORD        20  /* the word may be read before everything else in the call */

#ifndef TWIN
#define TWIN 0
#endif
#define twin(flaw)         (TWIN == flaw)
#define only(flaw, step)   if :: twin(flaw) -> step :: else fi
#define unless(flaw, step) if :: twin(flaw) :: else -> step fi

#ifndef N
#define N 2                   /* goroutines */
#endif
#ifndef HANDOVER
#define HANDOVER 1            /* 0: the first owner has no heir, but may own the lane again */
#endif
#ifndef MODE
#define MODE 1                /* SetNonblock is called */
#endif
#ifndef RELEASE
#define RELEASE 1             /* Release is called */
#endif
#ifndef REUSE
#define REUSE 1               /* the closed guard is given another number, once */
#endif
#ifndef TIRELESS
#define TIRELESS 1            /* who is refused or held up tries again at once; 0: not before it makes sense */
#endif
#ifndef STALE_LOADS
#define STALE_LOADS 0         /* the owner's loads may be satisfied early: weaker than TSO */
#endif

/* Three goroutines that do everything are too many states: where the mode
 * changes or the number is released, goroutine 0 of three sees to it, and does
 * not call. */
#define calling    (N == 2 || me != 0 || !(MODE || RELEASE))
#define officiates (N == 2 || me == 0)

/* ---- The guard ---- */

#define OPEN     1
#define CLOSING  2
#define PAUSED   4
#define RAW      8
#define NUMBER  16            /* 0: the first number, 1: the second */
#define USER    32            /* and up: how many use it */

#define open(w)   ((w & (OPEN|CLOSING)) == OPEN)
#define raw(w)    ((w / RAW) & 1)
#define number(w) ((w / NUMBER) & 1)
#define users(w)  (w / USER)

#define NOBODY   N
#define VACATING (N + 1)

byte word = OPEN | RAW;
byte owner = NOBODY;
bit  busy[N];                 /* by owner; what memory has, see Memory */
bit  mode;                    /* the mutex held while raw changes */

/* ---- The world, which the guard does not see ---- */

bool ours[2];                 /* a free number is a stranger's at once, and stays so */
bool blocking;                /* the descriptor's mode */
byte calls[2];                /* calls in the kernel, by number */
byte rawCalls;                /* those that the scheduler does not know of */
bool waits[N];                /* the goroutine has set closing or paused, and is not done yet */
byte running = N;
bool reused = !REUSE;
byte first = NOBODY;          /* the first owner, where there is no hand-over */

inline beginCall(n, isRaw) {
	d_step {
		assert(ours[n]);
		assert(!isRaw || !blocking);
		calls[n]++;
		rawCalls = rawCalls + isRaw
	}
}

inline endCall(n, isRaw) {
	d_step { calls[n]--; rawCalls = rawCalls - isRaw }
}

inline giveAway(n) {          /* by close(2), or by Release to its caller */
	d_step {
		assert(ours[n]);      /* not for the second time */
		assert(calls[n] == 0);
		ours[n] = false
	}
}

/* ---- Memory ---- */

/* An owner's stores to busy are plain: they wait in the store buffer of his
 * processor, which drains in its own time. Every other access is atomic, and
 * one that writes waits for the buffer of its own processor first. Nobody loads
 * a busy that may still be in his own buffer. */

#define markOf(g) (twin(ONE_MARK) -> 0 : g)

chan buffer[N] = [2] of { bit };
bool fenced[N];               /* a membarrier has hit since the goroutine began its call */

#define store(value)  buffer[me]!value
#define locked(steps) d_step { empty(buffer[me]); steps }

proctype StoreBuffer(byte cpu) {
end:
	do
	:: buffer[cpu]?busy[markOf(cpu)]
	od
}

inline membarrier() {         /* one processor after the other, not all at once */
	cpu = 0;
	do
	:: cpu == N -> break
	:: atomic {
		cpu < N ->
			do
			:: nempty(buffer[cpu]) -> buffer[cpu]?busy[markOf(cpu)]
			:: empty(buffer[cpu])  -> break
			od;
			fenced[cpu] = STALE_LOADS;
			cpu++
		}
	od;
	cpu = 0
}

/* ---- The owner's lane ---- */

/* A call that the barrier V2 hits before O3 sees in O3 that the lane is gone; of
 * one that it hits later, V3 sees the mark. Who becomes the owner when closing
 * or paused is set already sees that in O4. */
inline call() {
	d_step { done = false; fenced[me] = false; w = (STALE_LOADS || twin(EARLY_WORD) -> word : 0) };
	if
	:: owner == me ->                                                      /* O1 */
		unless(LATE_MARK, store(1));                                       /* O2, for V3 */
		if
		:: owner == me || twin(NO_REREAD) || STALE_LOADS && !fenced[me] -> /* O3, of V1 */
			if
			:: w = word                                                    /* O4, of closing and paused */
			:: STALE_LOADS && !fenced[me] || twin(EARLY_WORD)
			fi;
			only(LATE_MARK, store(1));
			if
			:: (w & (OPEN|RAW|CLOSING|PAUSED)) == (OPEN|RAW) || twin(NO_WORD_CHECK) ->
				beginCall(number(w), 1);                                   /* O5 */
				only(EARLY_CLEAR, store(0));
				endCall(number(w), 1);
				done = true
			:: else
			fi
		:: else
		fi;
		if
		:: done && twin(EARLY_CLEAR) || !done && twin(KEPT_MARK)
		:: else -> store(0)                                                /* O6, for V3 */
		fi
	:: else
	fi;
	if
	:: done
	:: else -> sharedCall()
	fi;
	w = 0; done = false
}

/* vacate turns the owner out and makes heir the next, who may be NOBODY. Its
 * caller is a user until this is over. That is why whoever finds another at it
 * need not wait: until that one leaves, the number is neither closed nor out of
 * its pause. And the owner himself is in no call when he gets here. */
inline vacate(heir) {
	only(STORED_OWNER, last = owner; locked(owner = VACATING));
	unless(STORED_OWNER, locked(                                           /* V1, for O3 */
		last = owner;
		if
		:: last == NOBODY || last == VACATING
		:: last == me -> owner = NOBODY
		:: else       -> owner = (twin(EARLY_VACANCY) -> NOBODY : VACATING)
		fi
	));
	if
	:: last == NOBODY || last == VACATING || last == me
	:: else ->
		unless(NO_BARRIER, membarrier());                                  /* V2 */
		!busy[markOf(last)];                                               /* V3, of O2 and O6 */
		locked(owner = (twin(EARLY_VACANCY) -> owner : heir))              /* V4 */
	fi;
	last = 0
}

inline compete() {            /* by a user */
	if
	:: owner == NOBODY ->
		locked(
			if
			:: owner == NOBODY && (HANDOVER || first == NOBODY || first == me) ->
				owner = me;
				first = (HANDOVER -> NOBODY : me)
			:: else
			fi
		)
	:: owner < N && owner != me && HANDOVER ->
		only(UNCOUNTED_HEIR, locked(word = word - USER));
		vacate(me);
		only(UNCOUNTED_HEIR, locked(word = word + USER))
	:: else
	fi
}

/* ---- The shared lane ---- */

inline sharedCall() {
	enter();
	if
	:: w ->
		beginCall(number(w), raw(w));
		endCall(number(w), raw(w));
		if
		:: true -> compete()
		:: true
		fi;
		leave()
	:: else
	fi
}

inline enter() {              /* w is the word; 0 where the guard is closed */
	do
	::	only(CHECK_THEN_ADD, w = word; locked(word = word + USER));
		unless(CHECK_THEN_ADD, locked(word = word + USER; w = word));
		if
		:: open(w) && !(w & PAUSED) -> break
		:: open(w) &&  (w & PAUSED) -> leave(); TIRELESS || !(open(word) && (word & PAUSED))
		:: !open(w)                 -> leave(); w = 0; refused = true; break
		fi
	od
}

inline leave() {
	locked(word = word - USER; left = word);
	if
	:: (left & CLOSING) && users(left) <= (twin(LAST_AT_ONE) -> 1 : 0) ->
		locked(won = (word == left || twin(EVERY_LAST_CLOSES)); word = (won -> 0 : word));
		if
		:: won  -> giveAway(number(left))
		:: else
		fi
	:: else
	fi;
	left = 0; won = false
}

/* ---- What takes the number, or raw, away ---- */

inline close() {
	locked(
		done = open(word);
		if
		:: done -> word = (word | CLOSING) + (twin(UNCOUNTED_CLOSER) -> 0 : USER); waits[me] = true
		:: else
		fi
	);
	if
	:: done ->
		unless(CLOSE_UNVACATED, vacate(NOBODY));
		only(UNCOUNTED_CLOSER, locked(word = word + USER));
		leave();
		waits[me] = false
	:: else
	fi;
	done = false
}

inline pause(use, vacates) {  /* done: the guard was open */
	locked(
		done = open(word);
		if
		:: done -> word = (word | PAUSED) + use; waits[me] = true
		:: else
		fi
	);
	if
	:: done && vacates -> vacate(NOBODY)
	:: else
	fi
}

inline setBlocking() {        /* SetNonblock(false); Share does the same */
	atomic { !mode -> mode = 1 };
	enter();
	if
	:: raw(w) ->
		pause(0, !twin(MODE_UNVACATED));
		unless(HASTY_MODE, users(word) == 1);
		locked(word = (open(word) -> word & ~(RAW|PAUSED) : word));
		waits[me] = false;
		only(TWO_USES, leave(); enter())
	:: else
	fi;
	if
	:: w ->
		d_step { assert(rawCalls == 0); blocking = true };
		leave()
	:: else
	fi;
	mode = 0; w = 0; done = false
}

inline setNonblock() {        /* SetNonblock(true) */
	atomic { !mode -> mode = 1 };
	enter();
	if
	:: w ->
		blocking = false;
		locked(word = (open(word) -> word | RAW : word));
		leave()
	:: else
	fi;
	mode = 0; w = 0
}

inline release() {
	atomic { !mode -> mode = 1 };
	pause(USER, !twin(RELEASE_UNVACATED));
	if
	:: done ->
		locked(
			w = word;
			done = open(w) && users(w) == 1;
			word = (done -> USER : word & ~PAUSED)
		);
		if
		:: done -> giveAway(number(w))
		:: else                                 /* in use, or about to be closed */
		fi;
		waits[me] = false;
		leave()
	:: else
	fi;
	mode = 0; w = 0; done = false
}

inline reuse() {              /* Init, Take */
	locked(
		if
		:: !(word & OPEN) && !reused ->
			word = word + (OPEN | RAW | NUMBER);
			ours[1] = true; blocking = false; reused = true
		:: else
		fi
	)
}

/* ---- Those who use it ---- */

proctype Goroutine(byte me) {
	byte w, left, last, cpu;
	bool done, won, refused;

	do
	:: refused && !TIRELESS -> break
	:: else ->
		refused = false;
		if
		:: calling               -> call()
		:: close()
		:: officiates && MODE    -> setBlocking()
		:: officiates && MODE    -> setNonblock()
		:: officiates && RELEASE -> release()
		:: !reused               -> reuse()
		:: break
		fi
	od;
	atomic {
		empty(buffer[me]) -> running--;
		/* At the end no user is left over, and only an open guard has a number that is ours. */
		assert(running || users(word) == 0 && !(word & (CLOSING|PAUSED)));
		assert(running || ours[0] == (open(word) && number(word) == 0));
		assert(running || ours[1] == (open(word) && number(word) == 1))
	}
}

init {
	byte g;
	atomic {
		ours[0] = true;
		do
		:: g < N  -> run Goroutine(g); run StoreBuffer(g); g++
		:: g == N -> break
		od
	}
}

/* All goroutines are alike: what holds for one holds for each. */
ltl waiterGetsOn   { [] (waits[0] -> <> !waits[0]) }
ltl numberIsClosed { [] ((word & CLOSING) -> <> !(word & CLOSING)) }
