# Percentiles of the third column of h2load's log: microseconds for each request, in milliseconds.
# The input is sorted by it. Requests of the first tenth are left out by whoever sorts.
{ value[NR] = $1; if ($2 != 200) bad++ }
function at(share) { return value[int(share * (NR - 1)) + 1] / 1000 }
END { if (NR) printf "%.3f %.3f %.3f %d %d\n", at(0.5), at(0.99), at(0.999), NR, bad }
