package media

import "strings"

// LanguageCode returns the code of three small letters (ISO 639-2/T, 639-3) of the
// language that a tag of RFC 5646 begins with: "deu" of "de-CH". It is "" for what is
// no tag. Containers have room for no more.
func LanguageCode(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	switch {
	case strings.Trim(base, "abcdefghijklmnopqrstuvwxyz") != "":
		return ""
	case len(base) == 3:
		return base
	case len(base) == 2:
		// Of each language "xxyyy,": no code of two letters is followed by the wrong three.
		if at := strings.Index(languages, ","+base); at >= 0 {
			return languages[at+3 : at+6]
		}
	}
	return ""
}

// languages are the codes of two letters (ISO 639-1), each with the one of three.
const languages = ",aaaar,ababk,aeave,afafr,akaka,amamh,anarg,arara,asasm,avava,ayaym,azaze,babak,bebel,bgbul,bibis,bmbam,bnben,bobod,brbre,bsbos" +
	",cacat,ceche,chcha,cocos,crcre,csces,cuchu,cvchv,cycym,dadan,dedeu,dvdiv,dzdzo,eeewe,elell,eneng,eoepo,esspa,etest,eueus,fafas,ffful,fifin,fjfij" +
	",fofao,frfra,fyfry,gagle,gdgla,glglg,gngrn,guguj,gvglv,hahau,heheb,hihin,hohmo,hrhrv,hthat,huhun,hyhye,hzher,iaina,idind,ieile,igibo,iiiii,ikipk" +
	",ioido,isisl,itita,iuiku,jajpn,jvjav,kakat,kgkon,kikik,kjkua,kkkaz,klkal,kmkhm,knkan,kokor,krkau,kskas,kukur,kvkom,kwcor,kykir,lalat,lbltz,lglug" +
	",lilim,lnlin,lolao,ltlit,lulub,lvlav,mgmlg,mhmah,mimri,mkmkd,mlmal,mnmon,mrmar,msmsa,mtmlt,mymya,nanau,nbnob,ndnde,nenep,ngndo,nlnld,nnnno,nonor" +
	",nrnbl,nvnav,nynya,ococi,ojoji,omorm,orori,ososs,papan,pipli,plpol,pspus,ptpor,quque,rmroh,rnrun,roron,rurus,rwkin,sasan,scsrd,sdsnd,sesme,sgsag" +
	",sisin,skslk,slslv,smsmo,snsna,sosom,sqsqi,srsrp,ssssw,stsot,susun,svswe,swswa,tatam,tetel,tgtgk,ththa,titir,tktuk,tltgl,tntsn,toton,trtur,tstso" +
	",tttat,twtwi,tytah,uguig,ukukr,ururd,uzuzb,veven,vivie,vovol,wawln,wowol,xhxho,yiyid,yoyor,zazha,zhzho,zuzul,"
