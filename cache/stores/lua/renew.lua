-- F3, by compare-and-set. ARGV[2] the epoch that must still be; `''`: a new one in any case.
if not fresh and (ARGV[2] == '' or ARGV[2] == epoch) then
  begin()
end
return { epoch, whole(head()) }
